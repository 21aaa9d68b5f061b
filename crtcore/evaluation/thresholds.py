"""Where to cut a score: by Youden's J, on patients other than those the cut is then applied to."""

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.metrics import FloatScores, IntLabels, check_scores


def youden_threshold(label_P: IntLabels, score_P: FloatScores) -> float:
    """The cut with the largest sensitivity + specificity - 1 (Youden 1950, Cancer 3:32).

    Cuts lie half way between neighbouring scores; the lowest also takes everybody. Of equally good cuts the
    lowest, most sensitive one is taken. DataError when a class is missing.
    """
    check_scores(label_P, score_P)
    level_T = np.unique(score_P.astype(np.float64))
    cut_T = np.concatenate([level_T[:1], (level_T[:-1] + level_T[1:]) / 2])
    # Mid-points between neighbouring floats may round down onto the lower one, which then must not count.
    cut_T = np.maximum(cut_T, np.nextafter(np.concatenate([[-np.inf], level_T[:-1]]), np.inf))
    positive, negative = (np.sort(score_P[label_P == label].astype(np.float64)) for label in (1, 0))
    missed_T = np.searchsorted(positive, cut_T, side="left") / len(positive)
    spared_T = np.searchsorted(negative, cut_T, side="left") / len(negative)
    return float(cut_T[int(np.argmax((spared_T - missed_T).round(12)))])


def fold_thresholds(
    label_P: IntLabels, score_P: FloatScores, fold_P: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Each patient's threshold, from the scores of the patients of all other folds: the training folds.

    `fold_P` numbers the fold in which a patient was scored. A patient's own score and label never enter the
    threshold that is applied to it. The scores are out of fold, so a threshold is not flattered by scores
    that a model gave to its own training patients.
    """
    threshold_P = np.empty(len(label_P))
    for fold in np.unique(fold_P):
        inside_P = fold_P == fold
        threshold_P[inside_P] = youden_threshold(label_P[~inside_P], score_P[~inside_P])
    return threshold_P
