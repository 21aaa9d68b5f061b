"""The median beat keeps what repeats, and drops noise and unusual beats."""

import numpy as np
import pytest

from crtcore.errors import DataError
from crtcore.evaluation.median_beat import Float64Array, median_beat

RATE_HZ = 500.0
ONSETS_S = np.arange(0.6, 9.5, 0.82)


def waves(
    onset_s_B: Float64Array, amplitude_X: tuple[float, float, float], sd_s: float = 0.02
) -> Float64Array:
    since_s_BS = np.arange(round(10 * RATE_HZ)) / RATE_HZ - onset_s_B[:, None]
    return np.outer(amplitude_X, np.exp(-0.5 * (since_s_BS / sd_s) ** 2).sum(axis=0))


def test_ten_noisy_beats_give_one_clean_beat() -> None:
    rng = np.random.default_rng(0)
    clean_XS = waves(ONSETS_S, (1.0, 0.5, -0.7))
    beat = median_beat(clean_XS + 0.05 * rng.standard_normal(clean_XS.shape), RATE_HZ, record_id="r")
    assert beat.num_beats == len(ONSETS_S)
    assert beat.rr_s == pytest.approx(0.82, abs=0.01)
    peak = int(np.abs(beat.vector_XS[0]).argmax())
    assert abs(peak - beat.fiducial) < 0.06 * RATE_HZ
    assert beat.vector_XS[:, peak] == pytest.approx([1.0, 0.5, -0.7], abs=0.08)
    assert beat.vector_XS[:, :100].std() < 0.05 / 2


def test_ectopic_beats_are_dropped() -> None:
    ectopic = np.isin(np.arange(len(ONSETS_S)), (3, 7))
    normal_XS = waves(ONSETS_S[~ectopic], (1.0, 0.2, 0.1))
    vector_XS = normal_XS + waves(ONSETS_S[ectopic], (-0.8, 1.2, 0.9), sd_s=0.04)
    beat = median_beat(vector_XS, RATE_HZ, record_id="r")
    assert beat.num_beats == len(ONSETS_S) - 2
    assert np.abs(beat.vector_XS[1]).max() == pytest.approx(0.2, abs=0.02)


def test_too_few_beats_are_an_error_that_names_the_recording() -> None:
    vector_XS = waves(ONSETS_S, (1.0, 0.5, -0.7))[:, : round(1.8 * RATE_HZ)]
    with pytest.raises(DataError, match=r"recording short has \d whole beats"):
        median_beat(vector_XS, RATE_HZ, record_id="short")
