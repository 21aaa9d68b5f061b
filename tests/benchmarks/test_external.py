"""Who is scored by what: out-of-fold scores, the mean of folds, and people who were trained on."""

import numpy as np
import pytest

from benchmarks.outside.candidates import Candidate, Float64Array, IntArray, Scored, regression, score
from benchmarks.outside.exports import DrawResult, summary
from crtcore.data.splits import Fold

FOLDS = (
    Fold(train_P=np.array([2, 3]), test_P=np.array([0, 1])),
    Fold(train_P=np.array([0, 1]), test_P=np.array([2, 3])),
)


def known_scores() -> Scored:
    """Four drawn people, person 4 elsewhere; person p + 10 k / 100 is told by fold k."""
    candidate = Candidate(name="known", complexity=0, train=lambda train_P, seed: np.zeros(5))
    fold_FP = np.array([[0.01, 0.02, 0.03, 0.04, 0.2], [0.11, 0.12, 0.13, 0.14, 0.8]])
    return Scored(candidate=candidate, refit_P=np.zeros(5), fold_FP=fold_FP)


def test_out_of_fold_scores_come_from_the_fold_that_did_not_train_on_the_person() -> None:
    assert known_scores().out_of_fold(FOLDS).tolist() == [0.01, 0.02, 0.13, 0.14]


def test_a_copy_of_a_recording_is_scored_by_the_same_fold() -> None:
    shown = {0: 4, 1: 1, 2: 4, 3: 3}
    assert known_scores().out_of_fold(FOLDS, shown).tolist() == [0.2, 0.02, 0.8, 0.14]


def test_the_mean_of_folds_is_taken_of_logits() -> None:
    assert known_scores().fold_mean()[4] == pytest.approx(0.5)  # logits of 0.2 and 0.8 cancel


def test_a_candidate_is_trained_on_the_draw_and_on_each_fold_alone() -> None:
    seen = []

    def train(train_P: IntArray, seed: int) -> Float64Array:
        seen.append(train_P.tolist())
        return np.full(5, float(len(train_P)))

    scored = score(Candidate(name="c", complexity=0, train=train), np.arange(4), FOLDS, seed=0)
    assert seen == [[0, 1, 2, 3], [2, 3], [0, 1]]
    assert scored.refit_P.tolist() == [4.0] * 5
    assert scored.fold_FP.shape == (2, 5)


def test_logistic_regression_learns_from_the_trained_people_only() -> None:
    feature_PD = np.array([[0.0], [1.0], [0.1], [0.9], [5.0]])
    train = regression(feature_PD, np.array([0, 1, 0, 1, 0]))  # person 4 would turn the sign
    score_P = train(np.array([0, 1, 2, 3]), 0)
    assert score_P[4] > 0.9


def test_the_summary_counts_which_intervals_hold_the_truth() -> None:
    def result(inside: float, outside: float) -> DrawResult:
        arms = ("simplest within one standard error", "best network, one refit", "pixels", "best of all")
        return DrawResult(
            inside=dict.fromkeys(arms, inside),
            outside=dict.fromkeys(arms, outside),
            chosen=dict.fromkeys(arms, "pixels"),
            candidates={"pixels": (inside, inside, inside, outside), "aami5": (0.5, 0.6, 0.5, 0.4)},
            corrected=(0.7, 0.9),
            naive=(0.85, 0.95),
        )

    found = summary([result(0.8, 0.6), result(0.88, 0.75)])
    assert found["covered_inside"] == 1.0
    assert found["covered_outside"] == 0.5
    assert found["covered_inside_naive"] == 0.5
    assert found["covered_outside_naive"] == 0.0
    assert found["arms"]["pixels"]["inside"] == 0.84
    assert found["rank_inside"] == pytest.approx(1.0, abs=0.1)
