import numpy as np
import pytest

from crtcore.simulation.dipole import DOWER_CX
from crtcore.simulation.heart import BASIC_SYMBOL, Activity, activity, beat, draw_heart
from crtcore.simulation.rhythm import TIMING, Schedule


def beating(symbols: list[str], seed: int = 0) -> Activity:
    rng = np.random.default_rng(seed)
    heart = draw_heart(rng, "normal", qrs_duration_s=0.09, mean_rr_s=0.8, variability=0.0)
    beats = Schedule(
        onset_s_B=0.5 + 0.8 * np.arange(len(symbols), dtype=np.float64),
        rr_s_B=np.full(len(symbols), 0.8),
        symbol_B=np.array(symbols),
    )
    return activity(rng, heart, beats, sampling_rate_hz=500.0, num_samples=400 * len(symbols) + 200)


def test_every_code_the_rhythm_knows_has_a_beat() -> None:
    rng = np.random.default_rng(0)
    for conduction, basic_symbol in BASIC_SYMBOL.items():
        heart = draw_heart(rng, conduction, qrs_duration_s=0.14, mean_rr_s=0.8, variability=0.0)
        assert heart.basic_symbol == basic_symbol in TIMING
        for symbol in TIMING:
            waves, duration_s = beat(rng, heart, symbol, 0.8)
            assert 0.05 < duration_s < 0.25
            assert np.isfinite(waves.vector_mv_WX).all()


def test_beats_of_one_code_look_alike_and_a_ventricular_one_does_not() -> None:
    vector_XS = beating(["N"] * 8 + ["V"] + ["N"] * 3).vector_XS
    beat_BXS = vector_XS[:, 200:].reshape(3, 12, 400).swapaxes(0, 1)[:, :, 25:200].reshape(12, -1)
    correlation_BB = np.asarray(np.corrcoef(beat_BXS))
    normal = [number for number in range(12) if number != 8]
    assert correlation_BB[np.ix_(normal, normal)].min() > 0.97
    assert correlation_BB[8, normal].max() < 0.9


def test_r_peaks_mark_the_largest_deflection_at_one_delay_for_each_code() -> None:
    found = beating(["N"] * 6 + ["V"] + ["N"] * 6)
    lead_S = DOWER_CX[1] @ found.vector_XS
    peak_B = found.r_peaks(lead_S, 500.0)
    delay_B = peak_B - found.onset_s_B * 500
    assert np.ptp(delay_B[found.symbol_B == "N"]) <= 1
    for peak, symbol in zip(peak_B.tolist(), found.symbol_B.tolist(), strict=True):
        around_S = np.abs(lead_S[peak - 20 : peak + 21])
        assert abs(int(np.argmax(around_S)) - 20) <= 2, symbol


@pytest.mark.parametrize("seed", range(5))
def test_hearts_differ(seed: int) -> None:
    first, second = beating(["N"] * 3, seed), beating(["N"] * 3, seed + 100)
    assert np.abs(first.vector_XS - second.vector_XS).max() > 0.1
