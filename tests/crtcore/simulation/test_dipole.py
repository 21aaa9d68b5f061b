import numpy as np

from crtcore.simulation.dipole import (
    DOWER_CX,
    MEASURED_LEADS,
    TWELVE_LEADS,
    Waves,
    heart_vector,
    twelve_leads,
)

# Edenbrandt & Pahlm 1988 (J. Electrocardiol. 21:361), columns V1-V6, I, II.
INVERSE_DOWER = np.array(
    [
        [-0.172, -0.074, 0.122, 0.231, 0.239, 0.194, 0.156, -0.010],
        [0.057, -0.019, -0.106, -0.022, 0.041, 0.048, -0.227, 0.887],
        [-0.229, -0.310, -0.246, -0.063, 0.055, 0.108, 0.022, 0.102],
    ]
)


def test_the_published_inverse_recovers_the_heart_vector() -> None:
    columns = [MEASURED_LEADS.index(name) for name in ("V1", "V2", "V3", "V4", "V5", "V6", "I", "II")]
    np.testing.assert_allclose(INVERSE_DOWER @ DOWER_CX[columns], np.eye(3), atol=2e-3)


def test_twelve_leads_obey_einthoven_and_goldberger() -> None:
    signal_CS = twelve_leads(np.random.default_rng(0).normal(size=(8, 50)))
    lead = dict(zip(TWELVE_LEADS, signal_CS, strict=True))
    assert signal_CS.shape == (12, 50)
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"])
    np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-12)
    np.testing.assert_allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2)


def test_heart_vector_is_the_sum_of_gaussians_sample_by_sample() -> None:
    waves = Waves(
        centre_s_W=np.array([-0.1, 0.05]),
        width_s_W=np.array([0.02, 0.01]),
        vector_mv_WX=np.array([[0.1, 0.2, -0.3], [1.0, -0.5, 0.2]]),
    )
    onset_s_B = np.array([0.01, 0.4, 0.99])  # the first and the last reach beyond the recording
    vector_XS = heart_vector(
        [waves, waves.scaled(2.0), waves], onset_s_B, sampling_rate_hz=200.0, num_samples=200
    )
    expected_XS = np.zeros((3, 200))
    for sample in range(200):
        for onset_s, gain in zip(onset_s_B, (1.0, 2.0, 1.0), strict=True):
            for centre_s, width_s, vector in zip(
                waves.centre_s_W, waves.width_s_W, waves.vector_mv_WX, strict=True
            ):
                deviation = (sample / 200 - onset_s - centre_s) / width_s
                expected_XS[:, sample] += gain * vector * np.exp(-(deviation**2) / 2)
    np.testing.assert_allclose(vector_XS, expected_XS, atol=1e-9)


def test_transformed_turns_the_vector() -> None:
    waves = Waves(
        centre_s_W=np.zeros(1), width_s_W=np.ones(1), vector_mv_WX=np.array([[1.0, 0.0, 0.0]])
    ).transformed(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(waves.at(np.zeros(1))[:, 0], [0.0, 1.0, 0.0])
