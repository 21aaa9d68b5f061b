"""Later scores of stopped trials, drawn from trials whose later scores are known."""

import numpy as np
import pytest

from crtcore.evaluation.continued import continue_curves, normal_scores

EPOCHS = (2, 6, 18)
Curve = dict[int, np.ndarray]


def curves(num_trials: int, num_patients: int, seed: int) -> dict[int, Curve]:
    """Each score is 0.6 times the one before plus noise, beside what all trials share about a patient."""
    rng = np.random.default_rng(seed)
    shared_P = rng.standard_normal(num_patients)
    found: dict[int, Curve] = {}
    for trial in range(num_trials):
        own_P = rng.standard_normal(num_patients)
        found[trial] = {}
        for epoch in EPOCHS:
            own_P = 0.6 * own_P + 0.8 * rng.standard_normal(num_patients)
            found[trial][epoch] = (shared_P + own_P)[None]
    return found


def test_normal_scores_keep_the_order_and_the_ties() -> None:
    found_RP = normal_scores(np.array([[0.1, 0.9, 0.1, 0.5]]))
    assert found_RP[0, 0] == found_RP[0, 2] < 0 < found_RP[0, 3] < found_RP[0, 1]


def test_continued_scores_relate_to_earlier_ones_as_real_ones_do() -> None:
    whole = curves(300, 100, seed=0)
    stopped = list(range(200))
    known = {trial: {2: curve[2]} if trial < 200 else curve for trial, curve in whole.items()}
    continued = continue_curves(known, stopped, epochs=EPOCHS, rng=np.random.default_rng(1))
    assert {trial: sorted(curve) for trial, curve in continued.items()} == {key: [6, 18] for key in stopped}
    for epoch in (6, 18):
        early_N, real_N, drawn_N = (
            np.concatenate(each)
            for each in (
                [normal_scores(whole[trial][2])[0] for trial in stopped],
                [normal_scores(whole[trial][epoch])[0] for trial in stopped],
                [continued[trial][epoch][0] for trial in stopped],
            )
        )
        assert drawn_N.std() == pytest.approx(real_N.std(), rel=0.03)
        real, drawn = (np.corrcoef(early_N, late_N)[0, 1] for late_N in (real_N, drawn_N))
        assert drawn == pytest.approx(real, abs=0.03)


def test_trials_that_were_stopped_for_their_early_scores_do_not_shift_the_later_ones() -> None:
    """The stopped trials are those with low early scores of the first half of the patients. The trials that
    were not stopped have later scores that are too high there; the continued ones are as low as real ones.
    """
    whole = curves(300, 100, seed=2)
    early = {
        trial: float(curve[2][0, :50].mean() - curve[2][0, 50:].mean()) for trial, curve in whole.items()
    }
    stopped = sorted(early, key=lambda trial: early[trial])[:200]
    known = {trial: {2: curve[2]} if trial in stopped else curve for trial, curve in whole.items()}
    continued = continue_curves(known, stopped, epochs=EPOCHS, rng=np.random.default_rng(3))

    def contrast(scores: list[np.ndarray]) -> float:
        return float(np.mean([score_RP[0, :50].mean() - score_RP[0, 50:].mean() for score_RP in scores]))

    lived = contrast([normal_scores(curve[6]) for trial, curve in whole.items() if trial not in stopped])
    real = contrast([normal_scores(whole[trial][6]) for trial in stopped])
    drawn = contrast([continued[trial][6] for trial in stopped])
    assert lived - real > 0.08
    assert drawn == pytest.approx(real, abs=0.02)


def test_without_a_donor_a_curve_ends() -> None:
    whole = curves(3, 20, seed=4)
    known = {0: {2: whole[0][2]}, 1: {2: whole[1][2], 6: whole[1][6]}, 2: {18: whole[2][18]}}
    continued = continue_curves(known, [0, 1], epochs=EPOCHS, rng=np.random.default_rng(0))
    assert {trial: sorted(curve) for trial, curve in continued.items()} == {0: [6], 1: []}


def test_a_single_donor_gives_its_own_later_scores() -> None:
    whole = curves(2, 20, seed=5)
    known = {0: {2: whole[0][2]}, 1: whole[1]}
    continued = continue_curves(known, [0], epochs=EPOCHS, rng=np.random.default_rng(0))
    assert continued[0][18] == pytest.approx(normal_scores(whole[1][18]))
