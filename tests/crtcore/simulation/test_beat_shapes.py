from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from crtcore.simulation.beat_shapes import SHAPES, Conduction, ectopic_shape, fusion, p_waves, varied
from crtcore.simulation.dipole import DOWER_CX, TWELVE_LEADS, Float64Array, twelve_leads

QRS_S = 0.16
TIME_S = np.arange(0, 0.7, 0.001)
NO_VECTOR = (0.0, 0.0, 0.0)


def leads(conduction: Conduction, rng: np.random.Generator | None = None) -> dict[str, Float64Array]:
    shape = SHAPES[conduction] if rng is None else varied(SHAPES[conduction], rng)
    vector_XS = shape.waves(qrs_duration_s=QRS_S, rr_s=0.85).at(TIME_S)
    return dict(zip(TWELVE_LEADS, twelve_leads(DOWER_CX @ vector_XS), strict=True))


def num_peaks(lead_S: Float64Array) -> int:
    return int(((lead_S[1:-1] > lead_S[:-2]) & (lead_S[1:-1] > lead_S[2:]) & (lead_S[1:-1] > 0.15)).sum())


@pytest.mark.parametrize("conduction", get_args(Conduction))
def test_the_qrs_lies_between_onset_and_offset_and_fills_it(conduction: Conduction) -> None:
    edges = [(centre - 2.5 * width, centre + 2.5 * width) for centre, width, _ in SHAPES[conduction].qrs]
    assert min(start for start, _ in edges) == pytest.approx(0, abs=0.01)
    assert max(stop for _, stop in edges) == pytest.approx(1, abs=0.01)


def test_lbbb_has_the_shape_of_a_left_bundle_branch_block() -> None:
    lead = leads("lbbb")
    qrs, late = TIME_S < QRS_S, (TIME_S > QRS_S + 0.1) & (TIME_S < QRS_S + 0.3)
    for name in ("I", "aVL", "V5", "V6"):
        assert lead[name][qrs].min() > -0.05, f"a q or s in {name}"
        assert lead[name][late].mean() < 0, f"T not discordant in {name}"
    assert num_peaks(lead["V5"][qrs]) == num_peaks(lead["V6"][qrs]) == 2  # the notch
    assert lead["V1"][qrs].min() < -0.8
    assert lead["V1"][qrs].max() < 0.2
    assert lead["V1"][late].mean() > 0


def test_lbbb_keeps_its_shape_in_every_patient() -> None:
    rng = np.random.default_rng(0)
    qrs = TIME_S < QRS_S
    for _ in range(50):
        lead = leads("lbbb", rng)
        for name in ("I", "V5", "V6"):
            assert lead[name][qrs].sum() > 0
        assert lead["V1"][qrs].sum() < 0
        assert lead["V6"][qrs].min() > -0.2


def test_rbbb_ends_with_r_prime_in_v1_and_s_in_i_and_v6() -> None:
    lead = leads("rbbb")
    qrs = TIME_S < QRS_S
    end = (TIME_S > 0.6 * QRS_S) & qrs
    assert lead["V1"][end].max() > 0.4
    assert num_peaks(lead["V1"][qrs]) == 2  # rsR'
    assert lead["I"][end].min() < -0.15
    assert lead["V6"][end].min() < -0.15
    assert lead["V1"][TIME_S > QRS_S + 0.1].mean() < 0


def test_ivcd_is_no_lbbb() -> None:
    lead = leads("ivcd")
    qrs = TIME_S < QRS_S
    assert lead["V6"][TIME_S < 0.25 * QRS_S].min() < -0.05  # septal q
    assert num_peaks(lead["V6"][qrs]) == 1


def test_paced_beats_have_a_spike_and_are_negative_in_ii() -> None:
    waves = SHAPES["paced"].waves(qrs_duration_s=QRS_S, rr_s=0.85)
    lead_ii = (DOWER_CX @ waves.at(np.arange(-0.02, 0.2, 0.0005)))[1]
    assert lead_ii.min() < -0.7
    assert np.diff(lead_ii).min() < 4 * np.diff(lead_ii[60:]).min()  # the spike falls faster than any QRS


def test_the_qt_interval_follows_the_rate_and_the_qrs_does_not() -> None:
    t_peak_s = []
    for rr_s in (0.6, 1.0):
        waves = replace(SHAPES["normal"], st=NO_VECTOR).waves(qrs_duration_s=0.09, rr_s=rr_s)
        lead_ii = (DOWER_CX @ waves.at(TIME_S))[1]
        assert TIME_S[np.argmax(lead_ii)] == pytest.approx(0.45 * 0.09, abs=0.004)
        t_peak_s.append(0.15 + float(TIME_S[np.argmax(lead_ii[TIME_S >= 0.15])]))
    assert 0.03 < t_peak_s[1] - t_peak_s[0] < 0.08


def test_an_ectopic_beat_is_broad_with_a_discordant_t() -> None:
    vector_XS = ectopic_shape(np.random.default_rng(3)).waves(qrs_duration_s=0.15, rr_s=0.85).at(TIME_S)
    qrs_X = vector_XS[:, TIME_S < 0.15].sum(axis=1)
    t_X = vector_XS[:, (TIME_S > 0.25) & (TIME_S < 0.45)].sum(axis=1)
    assert float(qrs_X @ t_X) < -0.8 * np.linalg.norm(qrs_X) * np.linalg.norm(t_X)


def test_fusion_lies_between_its_two_beats() -> None:
    normal = SHAPES["normal"].waves(qrs_duration_s=0.09, rr_s=0.85)
    ectopic = ectopic_shape(np.random.default_rng(0)).waves(qrs_duration_s=0.15, rr_s=0.85)
    mixed_XS = fusion(normal, ectopic, 0.3).at(TIME_S)
    np.testing.assert_allclose(mixed_XS, 0.7 * normal.at(TIME_S) + 0.3 * ectopic.at(TIME_S))


def test_a_p_wave_from_a_low_focus_is_inverted_in_ii() -> None:
    time_s = np.arange(-0.2, 0.0, 0.001)
    sinus_ii = (DOWER_CX @ p_waves(pr_s=0.16).at(time_s))[1]
    low_ii = (DOWER_CX @ p_waves(pr_s=0.16, gain=(1.0, -1.0, 1.0)).at(time_s))[1]
    assert 0.05 < sinus_ii.max() < 0.25
    assert low_ii.min() < -0.05
