"""The scikit-learn classifiers, for heads of trials and for comparators, with the library's default settings.

Legend: N examples, P patients, V votes of a patient, D features.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

ClassWeight = Literal["balanced"] | None
Float64Array = npt.NDArray[np.float64]

RANDOM_FOREST: Final = "random_forest"
CLASSIFIERS: Final[dict[str, Callable[[int, ClassWeight], BaseEstimator]]] = {
    "logistic_regression": lambda seed, weight: LogisticRegression(max_iter=5000, class_weight=weight),
    "svm": lambda seed, weight: SVC(kernel="rbf", class_weight=weight),
    # The kernel (1 + x y / D)^3. "Cubic SVM" is its name in MATLAB.
    "cubic_svm": lambda seed, weight: SVC(kernel="poly", degree=3, coef0=1.0, class_weight=weight),
    RANDOM_FOREST: lambda seed, weight: RandomForestClassifier(random_state=seed, class_weight=weight),
}


def classifier(name: str, *, seed: int, balanced: bool = False) -> BaseEstimator:
    """An untrained classifier of this name in CLASSIFIERS. With `balanced`, both classes weigh the same."""
    # scikit-learn's seeds have 32 bits.
    return CLASSIFIERS[name](seed % 2**32, "balanced" if balanced else None)


def scores(name: str, fitted: Any, feature_PVD: npt.NDArray[np.floating]) -> Float64Array:
    """The score for label 1, from 0 to 1, shape (patients,), from a fitted classifier or a pipeline with it.

    A random forest gives its mean probability over votes. The others give the logistic function of the mean
    decision value over votes. For logistic regression with one vote, that is its probability. For support
    vector machines, it is a monotone score with its threshold at 1/2, not a calibrated probability.
    """
    num_patients, num_votes, num_features = feature_PVD.shape
    feature_ND = feature_PVD.reshape(-1, num_features)
    if name == RANDOM_FOREST:
        probability_N: Float64Array = fitted.predict_proba(feature_ND)[:, 1]
        return np.asarray(probability_N.reshape(num_patients, num_votes).mean(axis=1))
    decision_N: Float64Array = fitted.decision_function(feature_ND)
    return np.asarray(expit(decision_N.reshape(num_patients, num_votes).mean(axis=1)))
