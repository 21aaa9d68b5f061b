"""Class imbalance: weights for rare classes in training, and the correction of the trained probabilities.

Legend: N examples, K classes.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from crtcore.signal.recording import FloatArray, IntArray

MAX_CLASS_WEIGHT_RATIO: Final = 10.0


def class_weights(label_N: IntArray, num_classes: int) -> FloatArray:
    """The weight of each class in the loss, shape (classes,), with mean 1 over `label_N`.

    The weight is 1 / sqrt(share of the class), at most 10 times the smallest weight. Full balance would give
    the 33 unclassifiable beats of 109,494 the same say as all normal beats, hence the root and the limit. A
    class without examples has weight 0.
    """
    count_K = np.bincount(label_N, minlength=num_classes)
    weight_K = np.where(count_K > 0, 1 / np.sqrt(np.maximum(count_K, 1)), 0)
    weight_K = np.minimum(weight_K, MAX_CLASS_WEIGHT_RATIO * weight_K[count_K > 0].min())
    return np.asarray(weight_K * len(label_N) / (weight_K @ count_K), dtype=np.float32)


def corrected_log_probabilities(
    logit_NK: npt.NDArray[np.floating], weight_K: FloatArray
) -> npt.NDArray[np.float64]:
    """Log probabilities at the true class shares, from a model that was trained at other shares.

    A model whose loss weighs class k by w_k, or that sees its examples w_k times as often, learns
    probabilities proportional to w_k p(k | x). Division by w_k gives p(k | x) (Saerens, Latinne &
    Decaestecker 2002, Neural Computation 14:21; in the form of Menon et al. 2021, arXiv 2007.07314). A class
    with weight 0 was not learnt and is not corrected.
    """
    shift_K = np.log(np.where(weight_K > 0, weight_K, 1).astype(np.float64))
    return np.asarray(log_softmax(logit_NK.astype(np.float64) - shift_K, axis=1))
