"""Decision curves: the net benefit of treating by a model's probabilities.

It is compared with treating all patients and treating none. Vickers & Elkin 2006 (Med. Decis. Making 26:565).
Legend: P patients, T threshold probabilities.
"""

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.metrics import FloatScores, IntLabels, check_scores

Float64Array = npt.NDArray[np.float64]


def net_benefit(label_P: IntLabels, probability_P: FloatScores, threshold_T: Float64Array) -> Float64Array:
    """True positives minus false positives times the odds of the threshold, per patient, shape (thresholds,).

    A patient is treated if the probability is at or above the threshold. Thresholds are strictly between 0
    and 1. Raises DataError if a class is missing.
    """
    check_scores(label_P, probability_P)
    assert ((threshold_T > 0) & (threshold_T < 1)).all(), "thresholds lie between 0 and 1"
    treated_TP = probability_P >= threshold_T[:, None]
    true_T = (treated_TP & (label_P == 1)).mean(axis=1)
    false_T = (treated_TP & (label_P == 0)).mean(axis=1)
    return np.asarray(true_T - false_T * threshold_T / (1 - threshold_T))


def net_benefit_of_all(label_P: IntLabels, threshold_T: Float64Array) -> Float64Array:
    """The net benefit of treating all patients. That of treating none is 0."""
    return net_benefit(label_P, np.ones(len(label_P)), threshold_T)
