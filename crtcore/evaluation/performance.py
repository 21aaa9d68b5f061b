"""All figures of one model's out-of-fold scores, by patient: over folds as papers print them, and pooled with
intervals.

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
    """`over_folds` has mean and SD over folds (and repeats) of every figure; `pooled` the figure of all
    patients at once with its 95 % interval: DeLong's for the AUC, by patient bootstrap for the others.

    Thresholds are Youden's on the training folds' out-of-fold scores. The AUC's interval is widened for
    cross-validation; the bootstrap's are not, and so are too narrow.
    """

    over_folds: Mapping[str, MeanSd]
    pooled: Mapping[str, Interval]
    calibration: Calibration | None


def performance(
    label_P: IntLabels, score_RP: FloatScores, fold_RP: npt.NDArray[np.integer], *, seed: int
) -> Performance:
    """The figures of a model scored in R repeats of cross-validation; pooled ones rest on the mean over
    repeats, with thresholds by the folds of the first.
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
    """The figures over folds with every beat counted as if it were a patient, as papers that score images do.

    Thresholds are Youden's on the beats of the training folds. There is no interval: the beats of a patient
    are alike, and a draw of beats would not know it.
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
    """The interval of a figure of the predictions `margin_P` >= 0; None where it is undefined."""
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
    """`classification` along the last axis; a share of nobody counts as 0."""
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
