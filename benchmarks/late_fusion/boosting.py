"""Classify beats from a few features by gradient boosting.

Legend: N examples, D features, K classes.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from crtcore.signal.recording import FloatArray, IntArray
from crtcore.training.pretraining.priors import class_weights, corrected_log_probabilities

LEAST_PROBABILITY: Final = 1e-6  # for a class without training examples
# Small trees and a low rate: there are many beats but few patients.
SETTINGS: Final = {
    "max_iter": 150,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 50,
    "early_stopping": False,
}


def boosted_log_probabilities(
    feature_ND: FloatArray,
    label_N: IntArray,
    *,
    train: IntArray,
    test: IntArray,
    num_classes: int,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Train on the rows `train`; return the log probabilities of the rows `test`, shape (test, classes).

    The model is histogram gradient boosting (Ke et al. 2017, NeurIPS; scikit-learn's version). Rare classes
    have larger weights, and the probabilities are corrected for that, as for the network.
    """
    weight_K = class_weights(label_N[train], num_classes)
    # scikit-learn takes seeds of 32 bits.
    model = HistGradientBoostingClassifier(**SETTINGS, random_state=seed % 2**32)
    model.fit(feature_ND[train], label_N[train], sample_weight=weight_K[label_N[train]])
    probability_NK = np.full((len(test), num_classes), LEAST_PROBABILITY)
    probability_NK[:, model.classes_] = np.maximum(model.predict_proba(feature_ND[test]), LEAST_PROBABILITY)
    return corrected_log_probabilities(np.log(probability_NK), weight_K)
