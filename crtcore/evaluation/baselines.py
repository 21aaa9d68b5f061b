"""Plain models on a table of features, trained and scored in the very folds of the trials.

The features may be clinical variables, deep features, image pixels or a random backbone's output: one row a
patient. Imputation and scaling are fitted on the training folds alone. Legend: P patients, D features, R
repeats.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from crtcore.evaluation.metrics import FloatScores, IntLabels
from crtcore.seeding import child_seed

LOGISTIC_REGRESSION: Final = "logistic regression"
SVM: Final = "SVM (RBF)"
RANDOM_FOREST: Final = "random forest"

# Each with its library's default settings: a baseline that is tuned would need a correction of its own.
MODELS: Final[dict[str, Callable[[int], object]]] = {
    LOGISTIC_REGRESSION: lambda seed: LogisticRegression(max_iter=5000),
    SVM: lambda seed: SVC(kernel="rbf"),
    RANDOM_FOREST: lambda seed: RandomForestClassifier(random_state=seed),
}


def cross_validated_scores(
    feature_PD: FloatScores,
    label_P: IntLabels,
    fold_RP: npt.NDArray[np.integer],
    model: str,
    *,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Each patient's out-of-fold score by one of MODELS, between 0 and 1, shape (patients,), the mean over
    repeats.

    `feature_PD` has NaN where a value is missing (the median of the training patients then stands in);
    `fold_RP[r, p]` is the fold in which patient p is scored in repeat r, all other folds being trained on.
    Logistic regression and forest give probabilities; of the support vector machine it is the logistic
    function of its decision value: a monotone score with its cut at 1/2, not a calibrated probability.
    """
    assert feature_PD.ndim == 2 and fold_RP.ndim == 2 and feature_PD.shape[1] > 0
    score_RP = np.empty(fold_RP.shape)
    for repeat, fold_P in enumerate(fold_RP):
        for fold in np.unique(fold_P):
            test_P = fold_P == fold
            pipeline = _pipeline(model, child_seed(seed, "baseline", model, repeat, int(fold)))
            pipeline.fit(feature_PD[~test_P], label_P[~test_P])
            score_RP[repeat, test_P] = (
                expit(pipeline.decision_function(feature_PD[test_P]))
                if model == SVM
                else pipeline.predict_proba(feature_PD[test_P])[:, 1]
            )
    return np.asarray(score_RP.mean(axis=0))


def _pipeline(model: str, seed: int) -> Pipeline:
    # scikit-learn takes seeds of 32 bits. A column without values in a training fold is kept, as zeros.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler(), MODELS[model](seed % 2**32))
