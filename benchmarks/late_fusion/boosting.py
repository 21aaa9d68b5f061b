"""Classes of beats from a few features of each, by gradient boosting.

Legend: N examples, D features, K classes.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from crtcore.signal.recording import FloatArray, IntArray
from crtcore.training.pretraining.priors import class_weights, corrected_log_probabilities

LEAST_PROBABILITY: Final = 1e-6  # of a class that the model never saw
# Small trees and a slow rate: the beats are many and the patients few.
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
    """The log probabilities of the classes of the rows `test`, shape (test, classes), from those of `train`.

    Histogram gradient boosting (Ke et al. 2017, NeurIPS, in scikit-learn's form), rare classes weighing more
    and the shift of priors undone, as for the network.
    """
    weight_K = class_weights(label_N[train], num_classes)
    # scikit-learn takes seeds of 32 bits.
    model = HistGradientBoostingClassifier(**SETTINGS, random_state=seed % 2**32)
    model.fit(feature_ND[train], label_N[train], sample_weight=weight_K[label_N[train]])
    probability_NK = np.full((len(test), num_classes), LEAST_PROBABILITY)
    probability_NK[:, model.classes_] = np.maximum(model.predict_proba(feature_ND[test]), LEAST_PROBABILITY)
    return corrected_log_probabilities(np.log(probability_NK), weight_K)
