"""Train and score all folds of a trial in lockstep.

There are three ways, depending on what is left to train: networks, one fold after another; linear heads on
stored features, all folds at once; or scikit-learn classifiers, which have no epochs.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor, nn

from crtcore.config import Experiment
from crtcore.data.splits import Fold
from crtcore.evaluation.metrics import auc
from crtcore.model.backbones import GROUPS
from crtcore.seeding import child_seed
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.stages.stage import Stage
from crtcore.training.engine.epochs import num_batches, require_finite
from crtcore.training.finetuning.fold_training import SCORING_BATCH_SIZE, FoldTraining
from crtcore.training.finetuning.heads import BeatNetwork
from crtcore.training.finetuning.patients import PatientBeats, patient_scores
from crtcore.training.finetuning.predictions import OutOfFold
from crtcore.training.finetuning.sklearn_heads import fold_scores, patient_votes
from crtcore.training.finetuning.stacked_heads import StackedHeads

RepeatedFolds = tuple[tuple[Fold, ...], ...]
"""The folds of each repeat of the cross-validation."""
NumberedFolds = Mapping[tuple[int, int], Fold]
"""The folds of all repeats in order, by repeat and number of the fold."""
FOLD_METRIC: Final = "auc_of_fold_"


def fold_metric(repeat: int, number: int) -> str:
    """The name of one fold's AUC in an epoch's report."""
    return f"{FOLD_METRIC}{repeat}.{number}"


def numbered_folds(folds: RepeatedFolds) -> NumberedFolds:
    return {(repeat, number): fold for repeat, dealt in enumerate(folds) for number, fold in enumerate(dealt)}


def unscored(beats: PatientBeats, folds: RepeatedFolds, *, scores_beats: bool) -> OutOfFold:
    """Out-of-fold predictions in which every score is NaN. Beats have scores only if `scores_beats`."""
    fold_RP = np.full((len(folds), len(beats.id_P)), -1)
    for (repeat, number), fold in numbered_folds(folds).items():
        fold_RP[repeat, fold.test_P] = number
    return OutOfFold(
        id_P=beats.id_P,
        label_P=beats.label_P,
        fold_RP=fold_RP,
        score_RP=np.full(fold_RP.shape, np.nan),
        patient_B=beats.patient_B if scores_beats else None,
        score_RB=np.full((len(folds), len(beats.patient_B)), np.nan) if scores_beats else None,
    )


def record_scores(
    out_of_fold: OutOfFold, folds: NumberedFolds, scores: Sequence[npt.NDArray[np.float64]]
) -> dict[str, float]:
    """Write the scores of each fold's test patients, in order, into `out_of_fold`.

    Returns the AUC of each fold under its `fold_metric`, and their mean and SD.
    """
    aucs = {}
    for ((repeat, number), fold), score_P in zip(folds.items(), scores, strict=True):
        out_of_fold.score_RP[repeat, fold.test_P] = score_P
        aucs[fold_metric(repeat, number)] = auc(out_of_fold.label_P[fold.test_P], score_P)
    each = list(aucs.values())
    return {"auc": float(np.mean(each)), "auc_sd": float(np.std(each)), **aucs}


class CrossValidation:
    """The learner that holds the heads or networks of all repeats and folds."""

    def __init__(
        self, stage: Stage, experiment: Experiment, body: nn.Module, beats: PatientBeats, folds: RepeatedFolds
    ) -> None:
        self._stage = stage
        self._seed = experiment.seed
        self._beats = beats
        self._folds = numbered_folds(folds)
        self.out_of_fold = unscored(beats, folds, scores_beats=True)
        each = tuple(self._folds.values())
        self._training: StackedHeads | _FoldByFold
        if experiment.finetune.frozen_groups == len(GROUPS):
            self._training = StackedHeads(beats, each, experiment.finetune)
        else:
            self._training = _FoldByFold(body, beats, each, experiment)

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        seeds = [child_seed(self._seed, "finetune", *run, epoch) for run in self._folds]
        losses = self._training.run_epoch(epoch, seeds)
        scores = []
        logits = self._training.test_logits()
        for ((repeat, _), fold), (logit_B, patient_B) in zip(self._folds.items(), logits, strict=True):
            require_finite(torch.from_numpy(logit_B), self._stage, epoch)
            scores.append(patient_scores(logit_B, patient_B, fold.test_P))
            assert self.out_of_fold.score_RB is not None
            self.out_of_fold.score_RB[repeat, self._beats.beats_of(fold.test_P)] = expit(
                logit_B.astype(np.float64)
            )
        metrics = record_scores(self.out_of_fold, self._folds, scores) | {"loss": float(np.mean(losses))}
        return metrics, self._training.num_train_images

    def networks(self) -> tuple[BeatNetwork, ...]:
        """The network of each fold, in the order of `numbered_folds`. If all groups are frozen, it has no
        body.
        """
        return self._training.networks()

    def state(self) -> dict[str, Tensor]:
        return self._training.state()

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        self._training.load_state(tensors, name=name)


class _FoldByFold:
    """Networks of which more than the head is trained, one fold after another."""

    def __init__(
        self, body: nn.Module, beats: PatientBeats, folds: Sequence[Fold], experiment: Experiment
    ) -> None:
        features_BCD = initial_features(body, beats)
        precision = experiment.resources.precision
        self._runs = [
            FoldTraining(body, features_BCD, beats, fold, experiment.finetune, precision) for fold in folds
        ]

    @property
    def num_train_images(self) -> int:
        return sum(run.num_train_images for run in self._runs)

    def run_epoch(self, epoch: int, seeds: Sequence[int]) -> list[float]:
        return [run.run_epoch(epoch, seed) for run, seed in zip(self._runs, seeds, strict=True)]

    def test_logits(self) -> list[tuple[FloatArray, IntArray]]:
        return [run.test_logits() for run in self._runs]

    def networks(self) -> tuple[BeatNetwork, ...]:
        return tuple(run.network for run in self._runs)

    def state(self) -> dict[str, Tensor]:
        return {
            f"{number}/{name}": tensor
            for number, run in enumerate(self._runs)
            for name, tensor in run.state().items()
        }

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        for number, run in enumerate(self._runs):
            start = f"{number}/"
            own = {key.removeprefix(start): tensors[key] for key in tensors if key.startswith(start)}
            run.load_state(own, name=name)


@torch.no_grad()
def initial_features(body: nn.Module, beats: PatientBeats) -> Tensor:
    """The pretrained body's features of all beats with their scalars, shape (beats, leads, D + E)."""
    body.eval()
    batch_size = max(1, SCORING_BATCH_SIZE // beats.num_leads)
    num_beats = len(beats.patient_B)
    batches = np.array_split(np.arange(num_beats), num_batches(num_beats, batch_size))
    features_ND = torch.cat([body(beats.take(batch)) for batch in batches])
    return torch.cat([features_ND.reshape(num_beats, beats.num_leads, -1), beats.scalar_BCE], dim=2)


def fit_classifiers(
    experiment: Experiment, beats: PatientBeats, folds: RepeatedFolds
) -> tuple[OutOfFold, dict[str, float]]:
    """Fit a scikit-learn head to every fold.

    Returns the predictions and the metrics that `record_scores` returns.
    """
    config = experiment.finetune
    vote_PVD = patient_votes(beats, config)
    numbered = numbered_folds(folds)
    scores = [
        fold_scores(
            vote_PVD, beats, fold, config, seed=child_seed(experiment.seed, "finetune", config.head, *run)
        )
        for run, fold in numbered.items()
    ]
    out_of_fold = unscored(beats, folds, scores_beats=False)
    return out_of_fold, record_scores(out_of_fold, numbered, scores)
