"""How well scores tell the two outcomes apart: one row a patient (axis P), label 1 the outcome sought.

Rows are patients by contract: average a patient's images and beats before calling, never pool them as rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crtcore.errors import DataError
from crtcore.evaluation.ranks import midranks

IntLabels = npt.NDArray[np.integer]
FloatScores = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class MeanSd:
    """Mean and standard deviation over folds (of the folds themselves: divided by their number)."""

    mean: float
    sd: float


def auc(label_P: IntLabels, score_P: FloatScores) -> float:
    """Area under the ROC curve: the chance that a patient of label 1 outscores one of label 0, ties half.

    By mid-ranks (Mann-Whitney U; Hanley & McNeil 1982, Radiology 143:29). `label_P` is 0/1, `score_P` any
    finite reals. DataError when only one class is there.
    """
    check_scores(label_P, score_P)
    return float(auc_rows(label_P, score_P))


def auc_rows(label_BP: IntLabels, score_BP: FloatScores) -> FloatScores:
    """`auc` along the last axis of arrays of any one shape; NaN where a row has only one class."""
    num_positive_B = (label_BP == 1).sum(axis=-1)
    num_pairs_B = num_positive_B * (label_BP.shape[-1] - num_positive_B)
    rank_sum_B = (midranks(score_BP) * (label_BP == 1)).sum(axis=-1)
    num_wins_B = rank_sum_B - num_positive_B * (num_positive_B + 1) / 2
    return np.asarray(num_wins_B / np.where(num_pairs_B == 0, np.nan, num_pairs_B))


def classification(
    label_P: IntLabels, score_P: FloatScores, threshold: float | FloatScores = 0.5
) -> dict[str, float]:
    """Accuracy, balanced accuracy, sensitivity, specificity, PPV and NPV; a score at or above `threshold`
    (one for all, or one a patient) predicts 1.

    PPV is NaN where nobody is predicted 1, NPV where nobody is predicted 0. DataError when only one class is
    there: sensitivity or specificity would have no patients to rest on.
    """
    check_scores(label_P, score_P)
    predicted_P, positive_P = score_P >= threshold, label_P == 1
    sensitivity = float(predicted_P[positive_P].mean())
    specificity = float((~predicted_P)[~positive_P].mean())
    return {
        "accuracy": float((predicted_P == positive_P).mean()),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": float(positive_P[predicted_P].mean()) if predicted_P.any() else float("nan"),
        "npv": float((~positive_P)[~predicted_P].mean()) if not predicted_P.all() else float("nan"),
    }


def brier(label_P: IntLabels, probability_P: FloatScores) -> float:
    """Mean squared difference of probability and outcome (Brier 1950, Mon. Weather Rev. 78:1)."""
    check_scores(label_P, probability_P)
    return float(((probability_P - label_P) ** 2).mean())


def over_folds(figures: Sequence[Mapping[str, float]]) -> dict[str, MeanSd]:
    """Mean and SD of each figure over folds, as the paper prints them; NaN if it is undefined in a fold."""
    columns = {name: np.array([fold[name] for fold in figures]) for name in figures[0]}
    return {name: MeanSd(mean=float(x.mean()), sd=float(x.std())) for name, x in columns.items()}


def check_scores(label_P: IntLabels, score_P: FloatScores) -> None:
    """DataError when a class is missing; 0/1 labels and finite scores of one length are the caller's duty."""
    assert label_P.ndim == 1 and label_P.shape == score_P.shape, (label_P.shape, score_P.shape)
    assert np.isin(label_P, (0, 1)).all(), "labels are 0 or 1"
    assert np.isfinite(score_P).all(), "a score is not finite"
    for label in (0, 1):
        if not (label_P == label).any():
            raise DataError(
                f"none of the {len(label_P)} patients to score has label {label}; AUC, sensitivity and "
                "specificity need both outcomes: give the manifest patients of each, or use fewer folds"
            )
