"""All metrics of a model's out-of-fold scores, by patient: mean over folds, and pooled with intervals.

Legend: P patients, R repeats.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.bootstrap import bootstrap_interval
from crtcore.evaluation.calibration import Calibration, calibration
from crtcore.evaluation.delong import auc_interval
from crtcore.evaluation.intervals import Interval
from crtcore.evaluation.metrics import FloatScores, IntLabels, MeanSd, auc, brier, classification, over_folds
from crtcore.evaluation.thresholds import fold_thresholds

CLASSIFICATION: Final = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True, kw_only=True)
class Performance:
    """`over_folds` has the mean and SD of each metric over folds and repeats, as papers print them.

    `pooled` has each metric of all patients together with its 95 % interval: DeLong's for the AUC, a
    bootstrap over patients for the others. Thresholds are Youden's on the out-of-fold scores of the training
    folds. The interval of the AUC is widened for cross-validation. The bootstrap intervals are not, so they
    are too narrow.
    """

    over_folds: Mapping[str, MeanSd]
    pooled: Mapping[str, Interval]
    calibration: Calibration | None


def performance(
    label_P: IntLabels, score_RP: FloatScores, fold_RP: npt.NDArray[np.integer], *, seed: int
) -> Performance:
    """The metrics of a model that was scored in R repeats of cross-validation.

    Pooled metrics use each patient's mean score over repeats, and thresholds from the folds of the first
    repeat.
    """
    by_fold = _over_folds(label_P, score_RP, fold_RP)
    score_P = score_RP.mean(axis=0)
    threshold_P = fold_thresholds(label_P, score_P, fold_RP[0])
    pooled = {"auc": auc_interval(label_P, score_P, num_folds=len(np.unique(fold_RP)))}
    for name in CLASSIFICATION:
        interval = _pooled_interval(label_P, score_P - threshold_P, name, seed)
        if interval is not None:
            pooled[name] = interval
    pooled["brier"] = bootstrap_interval(
        label_P, score_P, lambda label, score: ((score - label) ** 2).mean(axis=-1), seed=seed
    )
    return Performance(over_folds=by_fold, pooled=pooled, calibration=calibration(label_P, score_P))


def beat_performance(
    label_B: IntLabels, score_RB: FloatScores, fold_RB: npt.NDArray[np.integer]
) -> Mapping[str, MeanSd]:
    """The metrics over folds with each beat counted as a patient, as in papers that score images.

    Thresholds are Youden's on the beats of the training folds. There is no interval: the beats of a patient
    are alike, and a bootstrap over beats would ignore that.
    """
    return _over_folds(label_B, score_RB, fold_RB)


def _over_folds(
    label_P: IntLabels, score_RP: FloatScores, fold_RP: npt.NDArray[np.integer]
) -> Mapping[str, MeanSd]:
    return over_folds(
        [
            _of_fold(label_P, score_P, threshold_P, fold_P == fold)
            for score_P, fold_P in zip(score_RP, fold_RP, strict=True)
            for threshold_P in (fold_thresholds(label_P, score_P, fold_P),)
            for fold in np.unique(fold_P)
        ]
    )


def _of_fold(
    label_P: IntLabels, score_P: FloatScores, threshold_P: FloatScores, inside_P: npt.NDArray[np.bool_]
) -> dict[str, float]:
    label, score = label_P[inside_P], score_P[inside_P]
    return {
        "auc": auc(label, score),
        **classification(label, score, threshold_P[inside_P]),
        "brier": brier(label, score),
    }


def _pooled_interval(label_P: IntLabels, margin_P: FloatScores, name: str, seed: int) -> Interval | None:
    """The interval of a metric of the predictions `margin_P` >= 0; None if the metric is undefined."""
    if not math.isfinite(classification(label_P, margin_P, 0.0)[name]):
        return None
    return bootstrap_interval(
        label_P,
        (margin_P >= 0).astype(np.float64),
        lambda label, predicted: _rows(label, predicted)[name],
        method="percentile",
        seed=seed,
    )


def _rows(label_BP: IntLabels, predicted_BP: FloatScores) -> dict[str, FloatScores]:
    """`classification` along the last axis; a PPV or NPV without patients is 0."""
    positive = (label_BP == 1).sum(axis=-1)
    negative = (label_BP == 0).sum(axis=-1)
    hit = (predicted_BP * (label_BP == 1)).sum(axis=-1)
    false_alarm = (predicted_BP * (label_BP == 0)).sum(axis=-1)
    sensitivity, specificity = hit / positive, 1 - false_alarm / negative
    spared, missed = negative - false_alarm, positive - hit
    return {
        "accuracy": (hit + spared) / (positive + negative),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": hit / np.maximum(hit + false_alarm, 1),
        "npv": spared / np.maximum(spared + missed, 1),
    }
