"""Classifiers of scikit-learn on stored features, one row a patient (or a patient's lead), one fit a fold.

The deep-feature systems that the paper cites put such classifiers on a pretrained network. Settings are the
library's, features standardised on the training patients. Legend: P patients, V votes of a patient, D
features.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from crtcore.config import FinetuneConfig
from crtcore.data.splits import Fold, check_disjoint
from crtcore.training.finetuning.heads import fuse
from crtcore.training.finetuning.patients import PatientBeats

CLASSIFIERS: Final[dict[str, Callable[[int, str | None], Any]]] = {
    "logistic_regression": lambda seed, weights: LogisticRegression(max_iter=5000, class_weight=weights),
    "svm": lambda seed, weights: SVC(kernel="rbf", class_weight=weights),
    # The kernel (1 + x y / D)^3, whose name is MATLAB's.
    "cubic_svm": lambda seed, weights: SVC(kernel="poly", degree=3, coef0=1.0, class_weight=weights),
    "random_forest": lambda seed, weights: RandomForestClassifier(random_state=seed, class_weight=weights),
}


def patient_votes(beats: PatientBeats, config: FinetuneConfig) -> npt.NDArray[np.float64]:
    """The features of each patient, averaged over beats, shape (patients, votes, D); all finite."""
    vote_BVD = fuse(
        torch.cat([beats.inputs.cpu(), beats.scalar_BCE.cpu()], dim=2), config.lead_fusion
    ).numpy()
    total_PVD = np.zeros((len(beats.id_P), *vote_BVD.shape[1:]))
    np.add.at(total_PVD, beats.patient_B, vote_BVD)
    num_beats_P = np.bincount(beats.patient_B)
    return np.asarray(total_PVD / num_beats_P[:, None, None])


def fold_scores(
    vote_PVD: npt.NDArray[np.float64],
    beats: PatientBeats,
    fold: Fold,
    config: FinetuneConfig,
    *,
    seed: int,
) -> npt.NDArray[np.float64]:
    """The probability of label 1 of the fold's test patients, from a fit to the others.

    Of the support vector machines it is the logistic function of the decision value, averaged over votes: a
    monotone score with its cut at 1/2, not a calibrated probability. Raises DataError if a patient is on both
    sides of the fold.
    """
    check_disjoint(beats.id_P[fold.train_P].tolist(), beats.id_P[fold.test_P].tolist())
    num_votes, num_features = vote_PVD.shape[1:]
    # scikit-learn takes seeds of 32 bits.
    classifier = CLASSIFIERS[config.head](
        seed % 2**32, "balanced" if config.class_weights == "balanced" else None
    )
    pipeline = make_pipeline(StandardScaler(), classifier)
    pipeline.fit(
        vote_PVD[fold.train_P].reshape(-1, num_features), np.repeat(beats.label_P[fold.train_P], num_votes)
    )
    test_ND = vote_PVD[fold.test_P].reshape(-1, num_features)
    if config.head == "random_forest":
        return np.asarray(pipeline.predict_proba(test_ND)[:, 1].reshape(-1, num_votes).mean(axis=1))
    decision_PV = pipeline.decision_function(test_ND).reshape(-1, num_votes)
    return np.asarray(expit(decision_PV.mean(axis=1)))
