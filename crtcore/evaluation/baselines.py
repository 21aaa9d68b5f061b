"""Plain models on a table of features, trained and scored in the same folds as the trials.

The features may be clinical variables, deep features, image pixels or the output of a random backbone, one
row per patient. Imputation and scaling are fitted on the training folds only. Legend: P patients, D features,
R repeats.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from crtcore.evaluation.classifiers import classifier, scores
from crtcore.evaluation.metrics import FloatScores, IntLabels
from crtcore.seeding import child_seed

LOGISTIC_REGRESSION: Final = "logistic regression"
SVM: Final = "SVM (RBF)"
RANDOM_FOREST: Final = "random forest"
# The name in reports, and the name in CLASSIFIERS. Settings are not tuned: the result of tuning would need
# its own correction.
MODELS: Final = {LOGISTIC_REGRESSION: "logistic_regression", SVM: "svm", RANDOM_FOREST: "random_forest"}


def cross_validated_scores(
    feature_PD: FloatScores,
    label_P: IntLabels,
    fold_RP: npt.NDArray[np.integer],
    model: str,
    *,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Each patient's out-of-fold score by one of MODELS, from 0 to 1, mean over repeats, shape (patients,).

    `feature_PD` has NaN where a value is missing; the median of the training patients replaces it.
    `fold_RP[r, p]` is the fold in which patient p is scored in repeat r, after training on all other folds.
    `classifiers.scores` says which scores are probabilities.
    """
    return np.asarray(repeated_scores(feature_PD, label_P, fold_RP, model, seed=seed).mean(axis=0))


def repeated_scores(
    feature_PD: FloatScores,
    label_P: IntLabels,
    fold_RP: npt.NDArray[np.integer],
    model: str,
    *,
    seed: int,
) -> npt.NDArray[np.float64]:
    """The scores of `cross_validated_scores` in each repeat, shape (repeats, patients)."""
    assert feature_PD.ndim == 2 and fold_RP.ndim == 2 and feature_PD.shape[1] > 0
    score_RP = np.empty(fold_RP.shape)
    for repeat, fold_P in enumerate(fold_RP):
        for fold in np.unique(fold_P):
            test_P = fold_P == fold
            pipeline = plain_model(model, child_seed(seed, "baseline", model, repeat, int(fold)))
            pipeline.fit(feature_PD[~test_P], label_P[~test_P])
            score_RP[repeat, test_P] = scores(MODELS[model], pipeline, feature_PD[test_P, None])
    return score_RP


def plain_model(model: str, seed: int) -> Pipeline:
    """An untrained model of MODELS behind its imputation and scaling."""
    # A column without values in a training fold is kept, as zeros.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler(), classifier(MODELS[model], seed=seed))
