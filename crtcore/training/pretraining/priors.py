"""Class imbalance: what rare classes weigh in training, and how that is undone where classes are told.

Legend: N examples, K classes.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from crtcore.signal.recording import FloatArray, IntArray

MAX_CLASS_WEIGHT_RATIO: Final = 10.0


def class_weights(label_N: IntArray, num_classes: int) -> FloatArray:
    """Weight of each class in the loss, shape (classes,): one over the square root of its share, mean 1 over
    `label_N`.

    At most 10 times the smallest weight. The root and the cap, since full balance would let the 33
    unclassifiable beats of 109,494 weigh as much as all normal ones. A class without examples has weight 0.
    """
    count_K = np.bincount(label_N, minlength=num_classes)
    weight_K = np.where(count_K > 0, 1 / np.sqrt(np.maximum(count_K, 1)), 0)
    weight_K = np.minimum(weight_K, MAX_CLASS_WEIGHT_RATIO * weight_K[count_K > 0].min())
    return np.asarray(weight_K * len(label_N) / (weight_K @ count_K), dtype=np.float32)


def log_shares(label_N: IntArray, num_classes: int) -> npt.NDArray[np.float64]:
    """The logarithm of each class' share, shape (classes,); 0 of one that has no example, and no share to
    change.
    """
    count_K = np.bincount(label_N, minlength=num_classes)
    return np.log(np.where(count_K > 0, count_K / len(label_N), 1.0))


def corrected_log_probabilities(
    logit_NK: npt.NDArray[np.floating], weight_K: FloatArray
) -> npt.NDArray[np.float64]:
    """Log probabilities at the shares that the classes have, of a model that was trained at others.

    A model whose loss weighs class k by w_k, or that draws its examples w_k times as often, learns
    probabilities in proportion to w_k p(k | x); dividing by w_k gives p(k | x) (Saerens, Latinne &
    Decaestecker 2002, Neural Computation 14:21; in the form of Menon et al. 2021, arXiv 2007.07314). Of a
    class with weight 0 nothing was learnt: it is left as it is.
    """
    shift_K = np.log(np.where(weight_K > 0, weight_K, 1).astype(np.float64))
    return np.asarray(log_softmax(logit_NK.astype(np.float64) - shift_K, axis=1))
