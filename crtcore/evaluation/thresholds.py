"""Thresholds for scores, by Youden's J, from other patients than those they are applied to."""

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.metrics import FloatScores, IntLabels, check_scores


def youden_threshold(label_P: IntLabels, score_P: FloatScores) -> float:
    """The threshold with the largest sensitivity + specificity - 1 (Youden 1950, Cancer 3:32).

    Candidates are the lowest score and the midpoints between neighbouring scores. If several are equally
    good, the lowest, most sensitive one is returned. Raises DataError if a class is missing.
    """
    check_scores(label_P, score_P)
    level_T = np.unique(score_P.astype(np.float64))
    cut_T = np.concatenate([level_T[:1], (level_T[:-1] + level_T[1:]) / 2])
    # A midpoint of neighbouring floats may round down to the lower one, and would then include it.
    cut_T = np.maximum(cut_T, np.nextafter(np.concatenate([[-np.inf], level_T[:-1]]), np.inf))
    positive, negative = (np.sort(score_P[label_P == label].astype(np.float64)) for label in (1, 0))
    missed_T = np.searchsorted(positive, cut_T, side="left") / len(positive)
    spared_T = np.searchsorted(negative, cut_T, side="left") / len(negative)
    return float(cut_T[int(np.argmax((spared_T - missed_T).round(12)))])


def fold_thresholds(
    label_P: IntLabels, score_P: FloatScores, fold_P: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """A threshold for each patient, from the scores of the patients in all other folds.

    `fold_P` is the fold in which a patient was scored. A patient's own score and label are not used for the
    patient's threshold. Scores must be out of fold: a model's scores of its own training patients are too
    good, and so would be the threshold.
    """
    threshold_P = np.empty(len(label_P))
    for fold in np.unique(fold_P):
        inside_P = fold_P == fold
        threshold_P[inside_P] = youden_threshold(label_P[~inside_P], score_P[~inside_P])
    return threshold_P
