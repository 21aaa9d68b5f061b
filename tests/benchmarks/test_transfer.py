import numpy as np
import pytest

from benchmarks.transfer import DRAWN, Draw, _weighted_auc
from crtcore.evaluation.metrics import auc

LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1], [80, 120]))


def test_a_draw_has_the_numbers_of_the_paper_and_depends_on_its_number() -> None:
    draw, again, other = (Draw(number, LABELS, seed=0) for number in (0, 0, 1))
    assert {label: int((draw.label_P == label).sum()) for label in (0, 1)} == DRAWN
    assert len(set(draw.patients.tolist())) == sum(DRAWN.values())
    assert draw.patients.tolist() == again.patients.tolist() != other.patients.tolist()
    assert draw.label_P.tolist() == LABELS[draw.patients].tolist()


def test_each_patient_of_a_draw_is_scored_in_one_fold() -> None:
    draw = Draw(0, LABELS, seed=0)
    (fold_P,) = draw.fold_of()
    for number, fold in enumerate(draw.folds):
        assert np.flatnonzero(fold_P == number).tolist() == fold.test_P.tolist()


def test_the_weighted_auc_counts_a_patient_as_often_as_it_was_drawn() -> None:
    draw, rng = Draw(0, LABELS, seed=0), np.random.default_rng(1)
    score_P = rng.normal(size=len(draw.patients)).round(1)
    times_BP = np.zeros((3, len(LABELS)))
    times_BP[0] = 1
    times_BP[1] = rng.integers(0, 3, len(LABELS))  # the third bootstrap draws no patient: no AUC
    weighted_B = _weighted_auc(draw, score_P, times_BP)
    repeated = np.repeat(np.arange(len(draw.patients)), times_BP[1, draw.patients].astype(int))
    assert weighted_B[0] == pytest.approx(auc(draw.label_P, score_P))
    assert weighted_B[1] == pytest.approx(auc(draw.label_P[repeated], score_P[repeated]))
    assert np.isnan(weighted_B[2])
