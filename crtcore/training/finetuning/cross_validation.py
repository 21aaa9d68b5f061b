"""All folds of a trial in lockstep, each patient scored by the fold that did not train on it.

Three ways, by what is left to train: networks fold by fold, linear heads on stored features all at once, or
scikit-learn's classifiers, which know no epochs.
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
from crtcore.training.finetuning.patients import PatientBeats, patient_scores
from crtcore.training.finetuning.sklearn_heads import fold_scores, patient_votes
from crtcore.training.finetuning.stacked_heads import StackedHeads

RepeatedFolds = tuple[tuple[Fold, ...], ...]
FOLD_METRIC: Final = "auc_of_fold_"


def fold_metric(repeat: int, number: int) -> str:
    """What an epoch's report calls the AUC of one fold."""
    return f"{FOLD_METRIC}{repeat}.{number}"


class OutOfFold:
    """The scores of all patients so far: `score_RP` by repeat R and patient P, NaN where there is none yet,
    and the number of the fold that gave it, -1 likewise. `score_RB` are those of single beats, where a head
    has any.
    """

    def __init__(self, beats: PatientBeats, folds: RepeatedFolds) -> None:
        self.beats = beats
        self.fold_of = {
            (repeat, number): fold for repeat, dealt in enumerate(folds) for number, fold in enumerate(dealt)
        }
        self.score_RP = np.full((len(folds), len(beats.id_P)), np.nan)
        self.fold_RP = np.full(self.score_RP.shape, -1)
        self.score_RB = np.full((len(folds), len(beats.patient_B)), np.nan)

    def record(self, scores: Sequence[npt.NDArray[np.float64]]) -> dict[str, float]:
        """Take down the test patients' scores of each fold in order; the folds' AUCs, by `fold_metric`, with
        their mean and SD.
        """
        aucs = {}
        for ((repeat, number), fold), score_P in zip(self.fold_of.items(), scores, strict=True):
            self.score_RP[repeat, fold.test_P] = score_P
            self.fold_RP[repeat, fold.test_P] = number
            aucs[fold_metric(repeat, number)] = auc(self.beats.label_P[fold.test_P], score_P)
        each = list(aucs.values())
        return {"auc": float(np.mean(each)), "auc_sd": float(np.std(each)), **aucs}

    def record_beats(self, logits: Sequence[FloatArray]) -> None:
        """Take down the logits of the test beats of each fold in order."""
        for ((repeat, _), fold), logit_B in zip(self.fold_of.items(), logits, strict=True):
            self.score_RB[repeat, self.beats.beats_of(fold.test_P)] = expit(logit_B.astype(np.float64))


class CrossValidation:
    """The learner: the heads or networks of all repeats and folds."""

    def __init__(
        self, stage: Stage, experiment: Experiment, body: nn.Module, beats: PatientBeats, folds: RepeatedFolds
    ) -> None:
        self._stage = stage
        self._seed = experiment.seed
        self.out_of_fold = OutOfFold(beats, folds)
        each = tuple(self.out_of_fold.fold_of.values())
        self._training: StackedHeads | _FoldByFold
        if experiment.finetune.frozen_groups == len(GROUPS):
            self._training = StackedHeads(beats, each, experiment.finetune)
        else:
            self._training = _FoldByFold(body, beats, each, experiment)

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        seeds = [child_seed(self._seed, "finetune", *run, epoch) for run in self.out_of_fold.fold_of]
        losses = self._training.run_epoch(epoch, seeds)
        scores = []
        logits = self._training.test_logits()
        for fold, (logit_B, patient_B) in zip(self.out_of_fold.fold_of.values(), logits, strict=True):
            require_finite(torch.from_numpy(logit_B), self._stage, epoch)
            scores.append(patient_scores(logit_B, patient_B, fold.test_P))
        self.out_of_fold.record_beats([logit_B for logit_B, _ in logits])
        metrics = self.out_of_fold.record(scores) | {"loss": float(np.mean(losses))}
        return metrics, self._training.num_train_images

    def state(self) -> dict[str, Tensor]:
        return self._training.state()

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        self._training.load_state(tensors, name=name)


class _FoldByFold:
    """Networks that differ in more than their heads, trained one after another."""

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
    """Fit a scikit-learn head to every fold: the scores, and the folds' AUCs with their mean and SD."""
    out_of_fold = OutOfFold(beats, folds)
    config = experiment.finetune
    vote_PVD = patient_votes(beats, config)
    scores = [
        fold_scores(
            vote_PVD, beats, fold, config, seed=child_seed(experiment.seed, "finetune", config.head, *run)
        )
        for run, fold in out_of_fold.fold_of.items()
    ]
    return out_of_fold, out_of_fold.record(scores)
