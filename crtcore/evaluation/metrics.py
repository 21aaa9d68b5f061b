"""Metrics of scores for a yes/no outcome, one row per patient (axis P).

Rows must be patients: average the scores of a patient's images and beats first, and never pass them as rows.
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
    """Mean and standard deviation over folds; the variance is divided by the number of folds."""

    mean: float
    sd: float


def auc(label_P: IntLabels, score_P: FloatScores) -> float:
    """Area under the ROC curve: the probability that a patient of label 1 scores higher than one of label 0.

    A tie counts 1/2. Computed from mid-ranks (Mann-Whitney U; Hanley & McNeil 1982, Radiology 143:29).
    `label_P` is 0/1, and `score_P` is finite. Raises DataError if a class is missing.
    """
    check_scores(label_P, score_P)
    return float(auc_rows(label_P, score_P))


def auc_rows(label_BP: IntLabels, score_BP: FloatScores) -> FloatScores:
    """`auc` along the last axis of two arrays of the same shape; NaN if a row has only one class."""
    num_positive_B = (label_BP == 1).sum(axis=-1)
    num_pairs_B = num_positive_B * (label_BP.shape[-1] - num_positive_B)
    rank_sum_B = (midranks(score_BP) * (label_BP == 1)).sum(axis=-1)
    num_wins_B = rank_sum_B - num_positive_B * (num_positive_B + 1) / 2
    return np.asarray(num_wins_B / np.where(num_pairs_B == 0, np.nan, num_pairs_B))


def classification(
    label_P: IntLabels, score_P: FloatScores, threshold: float | FloatScores = 0.5
) -> dict[str, float]:
    """Accuracy, balanced accuracy, sensitivity, specificity, PPV and NPV.

    A score at or above `threshold` (one for all, or one per patient) predicts label 1. PPV is NaN if no
    patient is predicted 1, NPV if none is predicted 0. Raises DataError if a class is missing: sensitivity or
    specificity would be undefined.
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
    """The mean squared difference of probability and outcome (Brier 1950, Mon. Weather Rev. 78:1)."""
    check_scores(label_P, probability_P)
    return float(((probability_P - label_P) ** 2).mean())


def over_folds(metrics: Sequence[Mapping[str, float]]) -> dict[str, MeanSd]:
    """Mean and SD of each metric over folds, as in the paper; NaN if it is undefined in a fold."""
    columns = {name: np.array([fold[name] for fold in metrics]) for name in metrics[0]}
    return {name: MeanSd(mean=float(x.mean()), sd=float(x.std())) for name, x in columns.items()}


def check_scores(label_P: IntLabels, score_P: FloatScores) -> None:
    """Raises DataError if a class is missing. Asserts labels of 0 and 1, finite scores, equal lengths."""
    assert label_P.ndim == 1 and label_P.shape == score_P.shape, (label_P.shape, score_P.shape)
    assert np.isin(label_P, (0, 1)).all(), "labels are 0 or 1"
    assert np.isfinite(score_P).all(), "a score is not finite"
    for label in (0, 1):
        if not (label_P == label).any():
            raise DataError(
                f"none of the {len(label_P)} scored patients has label {label}; AUC, sensitivity and "
                "specificity need both outcomes: give the manifest patients of each, or use fewer folds"
            )
