"""The candidates of a small search on one draw of patients: each scores people out of fold and after a refit.

Legend: P people, B beats, D features.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from crtcore.config import FinetuneConfig
from crtcore.data.splits import Fold
from crtcore.seeding import child_seed
from crtcore.training.finetuning.cross_validation import initial_features
from crtcore.training.finetuning.fold_training import FoldTraining
from crtcore.training.finetuning.patients import PatientBeats

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Training(Protocol):
    """Trains on some people and gives each person of the benchmark a probability of label 1."""

    def __call__(self, train_P: IntArray, seed: int) -> Float64Array: ...


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that a search may choose; a lower `complexity` is simpler, `is_network` says it is trained by
    gradients.
    """

    name: str
    complexity: int
    train: Training
    is_network: bool = False


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a candidate gives on one draw: `refit_P` by the model that is trained on the whole draw, `fold_FP`
    by the model of each fold. NaN where a person was trained on or is not scored.
    """

    candidate: Candidate
    refit_P: Float64Array
    fold_FP: Float64Array

    def out_of_fold(self, folds: Sequence[Fold], shown: Mapping[int, int] | None = None) -> Float64Array:
        """The score of each drawn person by the fold that did not train on them, persons in ascending order.
        With `shown` it is the score of the copy of their recording that it names.
        """
        pairs = sorted(
            (person, self.fold_FP[number, person if shown is None else shown[person]])
            for number, fold in enumerate(folds)
            for person in fold.test_P.tolist()
        )
        return np.array([score for _, score in pairs])

    def fold_mean(self) -> Float64Array:
        """The probability by the mean logit of the folds' models."""
        clipped_FP = np.clip(self.fold_FP, 1e-6, 1 - 1e-6)
        mean_P: Float64Array = expit(logit(clipped_FP).mean(axis=0))
        return mean_P


def score(candidate: Candidate, drawn_P: IntArray, folds: Sequence[Fold], seed: int) -> Scored:
    """Train a candidate once on the whole draw and once for each fold."""
    return Scored(
        candidate=candidate,
        refit_P=candidate.train(drawn_P, child_seed(seed, "refit")),
        fold_FP=np.stack(
            [candidate.train(fold.train_P, child_seed(seed, "fold", k)) for k, fold in enumerate(folds)]
        ),
    )


def regression(feature_PD: Float64Array, label_P: IntArray, *, strength: float = 1.0) -> Training:
    """Logistic regression on standardised features; `strength` is the inverse of its regularisation."""

    def train(train_P: IntArray, seed: int) -> Float64Array:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, C=strength))
        model.fit(feature_PD[train_P], label_P[train_P])
        scores: Float64Array = model.predict_proba(feature_PD)[:, 1]
        return scores

    return train


def fine_tuning(
    body: nn.Module,
    beats: PatientBeats,
    config: FinetuneConfig,
    is_scored_P: npt.NDArray[np.bool_],
    *,
    copies: Callable[[int], Sequence[int]] = lambda person: (),
) -> Training:
    """The last stage of a network, trained as a fold of a trial is. `copies` names a person's copies that are
    trained on too (augmentation). Only people in `is_scored_P` whom it was not trained on get a score.
    """
    features_BCD = initial_features(body, beats)

    def train(train_P: IntArray, seed: int) -> Float64Array:
        trained_P = np.unique([*train_P.tolist(), *(c for p in train_P.tolist() for c in copies(p))])
        fold = Fold(train_P=trained_P, test_P=np.setdiff1d(np.flatnonzero(is_scored_P), trained_P))
        training = FoldTraining(body, features_BCD, beats, fold, config)
        for epoch in range(1, config.epochs + 1):
            training.run_epoch(epoch, child_seed(seed, "epoch", epoch))
        logit_B, patient_B = training.test_logits()
        total_P = np.bincount(patient_B, weights=logit_B, minlength=len(beats.id_P))
        num_P = np.bincount(patient_B, minlength=len(beats.id_P))
        return np.where(num_P > 0, expit(total_P / np.maximum(num_P, 1)), np.nan)

    return train
