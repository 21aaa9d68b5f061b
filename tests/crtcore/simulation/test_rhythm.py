import numpy as np
import pytest

from crtcore.simulation.rhythm import TIMING, Schedule, schedule


def beats(seed: int = 0, *, variability: float = 0.0, **ectopy: float) -> Schedule:
    return schedule(
        np.random.default_rng(seed),
        duration_s=300.0,
        mean_rr_s=0.8,
        variability=variability,
        respiration_hz=0.25,
        basic_symbol="N",
        ectopy=ectopy,
    )


def alone(found: Schedule, symbol: str) -> list[int]:
    """Places of the beats of this code that have two ordinary beats on either side."""
    code = found.symbol_B
    return [
        place
        for place in np.flatnonzero(code == symbol).tolist()
        if 2 <= place < len(code) - 2
        and all(code[place + step] == "N" for step in (-2, -1, 1, 2))
        and found.onset_s_B[place - 1] - found.onset_s_B[place - 2] == pytest.approx(0.8)
    ]


def test_the_sinus_rhythm_has_the_rate_and_the_variability_asked_for() -> None:
    found = beats(variability=0.05)
    rr_s = np.diff(found.onset_s_B)
    assert rr_s.mean() == pytest.approx(0.8, rel=0.01)
    assert 0.03 < rr_s.std() / 0.8 < 0.07
    np.testing.assert_allclose(found.rr_s_B[1:], rr_s)
    assert found.onset_s_B[0] >= 0
    assert found.onset_s_B[-1] < 300


def test_a_ventricular_beat_is_followed_by_a_full_compensatory_pause() -> None:
    found = beats(V=0.05)
    places = alone(found, "V")
    assert len(places) > 5
    for place in places:
        before_s, own_s, after_s = found.onset_s_B[place - 1 : place + 2]
        assert 0.55 * 0.8 <= own_s - before_s <= 0.75 * 0.8
        assert after_s - before_s == pytest.approx(2 * 0.8)


def test_an_atrial_beat_resets_the_sinus_node() -> None:
    found = beats(A=0.05)
    places = alone(found, "A")
    assert len(places) > 5
    for place in places:
        before_s, own_s, after_s = found.onset_s_B[place - 1 : place + 2]
        assert own_s - before_s <= 0.80 * 0.8 + 1e-9
        assert after_s - own_s == pytest.approx(0.8)


def test_an_escape_beat_comes_after_a_pause() -> None:
    found = beats(j=0.03)
    for place in alone(found, "j"):
        assert found.rr_s_B[place] >= 1.35 * 0.8 - 1e-9


def test_every_code_asked_for_occurs_in_its_share() -> None:
    found = beats(V=0.1, A=0.05, F=0.0001)
    codes, counts = np.unique(found.symbol_B, return_counts=True)
    count = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    assert count["V"] == round(0.1 * 375)
    assert count["A"] == round(0.05 * 375)
    assert count["F"] == 1
    assert set(count) == {"N", "V", "A", "F"} <= set(TIMING)


def test_the_same_seed_gives_the_same_beats() -> None:
    first, second, other = beats(1, variability=0.05), beats(1, variability=0.05), beats(2, variability=0.05)
    np.testing.assert_array_equal(first.onset_s_B, second.onset_s_B)
    assert not np.array_equal(first.onset_s_B[:50], other.onset_s_B[:50])
