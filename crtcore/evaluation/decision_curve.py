"""Whether acting on a model's probabilities does more good than acting on everybody or on nobody.

Vickers & Elkin 2006 (Med. Decis. Making 26:565). Legend: P patients, T threshold probabilities.
"""

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.metrics import FloatScores, IntLabels, check_scores

Float64Array = npt.NDArray[np.float64]


def net_benefit(label_P: IntLabels, probability_P: FloatScores, threshold_T: Float64Array) -> Float64Array:
    """True positives less false positives weighted by the odds of the threshold, per patient, shape (T,).

    A probability at or above the threshold, which lies strictly between 0 and 1, leads to action. DataError
    when a class is missing.
    """
    check_scores(label_P, probability_P)
    assert ((threshold_T > 0) & (threshold_T < 1)).all(), "thresholds lie between 0 and 1"
    acted_TP = probability_P >= threshold_T[:, None]
    true_T = (acted_TP & (label_P == 1)).mean(axis=1)
    false_T = (acted_TP & (label_P == 0)).mean(axis=1)
    return np.asarray(true_T - false_T * threshold_T / (1 - threshold_T))


def net_benefit_of_all(label_P: IntLabels, threshold_T: Float64Array) -> Float64Array:
    """The net benefit of acting on everybody; that of acting on nobody is 0."""
    return net_benefit(label_P, np.ones(len(label_P)), threshold_T)
