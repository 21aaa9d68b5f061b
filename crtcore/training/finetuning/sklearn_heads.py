"""scikit-learn classifiers on stored features: one row per patient (or patient and lead), one fit per fold.

The deep-feature systems that the paper cites use such classifiers on a pretrained network. Features are
standardised on the training patients. Legend: P patients, V votes of a patient, D features.
"""

import numpy as np
import numpy.typing as npt
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crtcore.config import FinetuneConfig
from crtcore.data.splits import Fold, check_disjoint
from crtcore.evaluation.classifiers import classifier, scores
from crtcore.training.finetuning.heads import fuse
from crtcore.training.finetuning.patients import PatientBeats, mean_by_patient


def patient_votes(beats: PatientBeats, config: FinetuneConfig) -> npt.NDArray[np.float64]:
    """The features of each patient, mean over beats, shape (patients, votes, D)."""
    vote_BVD = fuse(
        torch.cat([beats.inputs.cpu(), beats.scalar_BCE.cpu()], dim=2), config.lead_fusion
    ).numpy()
    return mean_by_patient(vote_BVD, beats.patient_B, len(beats.id_P))


def fold_scores(
    vote_PVD: npt.NDArray[np.float64],
    beats: PatientBeats,
    fold: Fold,
    config: FinetuneConfig,
    *,
    seed: int,
) -> npt.NDArray[np.float64]:
    """The score for label 1 of the fold's test patients, from a fit to the training patients.

    `classifiers.scores` says which scores are probabilities. Raises DataError if a patient is on both sides
    of the fold.
    """
    check_disjoint(beats.id_P[fold.train_P].tolist(), beats.id_P[fold.test_P].tolist())
    num_votes, num_features = vote_PVD.shape[1:]
    balanced = config.class_weights == "balanced"
    pipeline = make_pipeline(StandardScaler(), classifier(config.head, seed=seed, balanced=balanced))
    pipeline.fit(
        vote_PVD[fold.train_P].reshape(-1, num_features), np.repeat(beats.label_P[fold.train_P], num_votes)
    )
    return scores(config.head, pipeline, vote_PVD[fold.test_P])
