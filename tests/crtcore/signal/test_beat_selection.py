"""The three tests of the selection, each alone: gate, T wave, search-back."""

import numpy as np
import pytest

from crtcore.signal.beat_selection import Candidates, select_beats

RATE_HZ = 250.0


def candidates_at(time_s: list[float], strength: list[float]) -> Candidates:
    """Candidates whose amplitude, slope and envelope all have the given strength, 1 being a usual beat."""
    strength_Q = np.array(strength, dtype=np.float32)
    return Candidates(
        sample_Q=np.rint(np.array(time_s) * RATE_HZ).astype(np.int64),
        amplitude_Q=strength_Q,
        slope_Q=strength_Q * np.float32(0.2),
        envelope_Q=np.minimum(strength_Q, 1.5) * np.float32(0.14),
    )


def regular(num_beats: int = 40, rr_s: float = 0.8) -> tuple[list[float], list[float]]:
    return [1 + rr_s * i for i in range(num_beats)], [1.0] * num_beats


def selected(
    extra: list[tuple[float, float]], *, without: tuple[int, ...] = ()
) -> tuple[list[float], set[float]]:
    """Times of the regular beats not left out, and times selected, with (time, strength) candidates added."""
    times, strengths = regular()
    beats = [(t, s) for i, (t, s) in enumerate(zip(times, strengths, strict=True)) if i not in without]
    ordered = sorted(beats + extra)
    chosen = select_beats(candidates_at([t for t, _ in ordered], [s for _, s in ordered]), RATE_HZ)
    assert (np.diff(chosen) > 0).all()
    return [t for t, _ in beats], {ordered[i][0] for i in chosen}


def test_a_regular_rhythm_is_taken_whole() -> None:
    beats, chosen = selected([])
    assert chosen == set(beats)


@pytest.mark.parametrize(("delay_s", "strength"), [(0.3, 0.3), (0.35, 0.4), (-0.2, 0.35), (0.4, 0.15)])
def test_t_waves_p_waves_and_small_noise_are_left(delay_s: float, strength: float) -> None:
    times, _ = regular()
    beats, chosen = selected([(time + delay_s, strength) for time in times[::3]])
    assert chosen == set(beats)


def test_what_is_within_the_refractory_time_is_one_beat_the_stronger() -> None:
    beats, chosen = selected([(1 + 0.8 * 10 + 0.15, 0.6)])
    assert chosen == set(beats)


def test_search_back_finds_a_small_beat_where_one_is_due() -> None:
    small = (1 + 0.8 * 20, 0.15)
    beats, chosen = selected([small], without=(20,))
    assert chosen == {*beats, small[0]}


def test_the_same_small_peak_is_no_beat_where_none_is_due() -> None:
    beats, chosen = selected([(1 + 0.8 * 20 + 0.4, 0.15)])
    assert chosen == set(beats)


def test_an_early_strong_beat_and_its_pause_are_kept() -> None:
    early = (1 + 0.8 * 20 - 0.3, 1.8)
    beats, chosen = selected([early], without=(20,))
    assert chosen == {*beats, early[0]}


def test_a_pause_of_many_seconds_loses_nothing_on_either_side() -> None:
    beats, chosen = selected([], without=tuple(range(10, 20)))
    assert chosen == set(beats)


def test_beats_are_never_closer_than_the_refractory_time() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        time_s = np.cumsum(rng.uniform(0.05, 0.9, 40))
        chosen = select_beats(candidates_at(time_s.tolist(), rng.uniform(0.2, 2, 40).tolist()), RATE_HZ)
        assert len(chosen) > 5
        assert (np.diff(time_s[chosen]) > 0.22).all()


@pytest.mark.parametrize("num_candidates", [0, 1, 2])
def test_few_candidates_are_no_trouble(num_candidates: int) -> None:
    chosen = select_beats(candidates_at([1.0, 2.0][:num_candidates], [1.0, 1.0][:num_candidates]), RATE_HZ)
    assert chosen.tolist() == list(range(num_candidates))
