"""The stage `finetune`: one trial on the cohort, under patient-wise cross-validation with all folds in
lockstep.

Each epoch trains every fold's network once and then reports, so that a trial judged early is judged on all
folds. The last epoch counts: picking the best one would pick it on the patients who are scored.
"""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from crtcore.config import Experiment
from crtcore.data.loader import load_images
from crtcore.data.splits import Fold, cohort_folds
from crtcore.evaluation.metrics import auc, classification
from crtcore.model.checkpoint import load_backbone
from crtcore.seeding import child_seed
from crtcore.stages import Stage, StageStore
from crtcore.training.epochs import (
    EpochReport,
    decode_history,
    encode_history,
    fit,
    num_batches,
    require_finite,
)
from crtcore.training.features import features_stage, load_activations
from crtcore.training.fold_training import SCORING_BATCH_SIZE, FoldTraining
from crtcore.training.patients import PatientBeats, patient_beats, patient_scores
from crtcore.training.pretrain import HISTORY_FILE, MODEL_FILE

FINETUNE_VERSION: Final = 1
OOF_FILE: Final = "oof.parquet"
CLASSIFICATION_FACTS: Final = ("accuracy", "sensitivity", "specificity")


def finetune_stage(experiment: Experiment, pretrain: Stage, cohort: Stage) -> Stage:
    """The identity of one trial: its fine-tuning settings, the seed, and the stages it reads."""
    features = features_stage(experiment, pretrain, cohort)
    return Stage(
        name="finetune",
        config={**experiment.finetune.model_dump(mode="json"), "seed": experiment.seed},
        inputs=(pretrain.digest, cohort.digest, *([] if features is None else [features.digest])),
        version=FINETUNE_VERSION,
    )


def run_finetune(
    store: StageStore,
    stage: Stage,
    experiment: Experiment,
    pretrain: Stage,
    features: Stage | None,
    cohort: Stage,
    device: torch.device,
) -> Iterator[EpochReport]:
    """Fine-tune and score every fold; one report an epoch, read back where the stage is committed already.

    Commits `oof.parquet` (each patient's score from the fold that did not train on it), `history.json` and
    facts. Raises DataError if the cohort has too few patients of a class for the folds, DivergedError if the
    training leaves the finite numbers.
    """
    if store.find(stage) is not None:
        yield from decode_history(json.loads(store.path(stage, HISTORY_FILE).read_bytes()))
        return
    images = load_images(store, cohort)
    body = load_backbone(store.path(pretrain, MODEL_FILE)).to(device).tail(experiment.finetune.frozen_groups)
    inputs = (
        torch.from_numpy(np.array(images.image_NFT))
        if features is None
        else load_activations(store, features)
    )
    beats = patient_beats(images, inputs.to(device))
    manifest = store.find(cohort)
    assert manifest is not None  # its images were just read
    folds = cohort_folds(
        beats.id_P,
        beats.label_P,
        given=manifest.facts["folds"],
        num_folds=experiment.finetune.folds,
        num_repeats=experiment.finetune.repeats,
        seed=experiment.seed,
    )
    learner = CrossValidation(stage, experiment, body, beats, folds)
    yield from fit(
        store,
        stage,
        learner,
        num_epochs=experiment.finetune.epochs,
        finish=lambda reports: _commit(store, stage, learner, reports),
    )


class CrossValidation:
    """The learner: one network a repeat and fold, and the patients' scores after the last epoch."""

    def __init__(
        self,
        stage: Stage,
        experiment: Experiment,
        body: nn.Module,
        beats: PatientBeats,
        folds: tuple[tuple[Fold, ...], ...],
    ) -> None:
        self._stage = stage
        self._seed = experiment.seed
        self.beats = beats
        config = experiment.finetune
        features_BCD = _initial_features(body, beats)
        self.runs = {
            (repeat, number): FoldTraining(body, features_BCD, beats, fold, config)
            for repeat, dealt in enumerate(folds)
            for number, fold in enumerate(dealt)
        }
        # Each patient's out-of-fold score by repeat R, and the fold that gave it.
        self.score_RP = np.full((config.repeats, len(beats.id_P)), np.nan)
        self.fold_RP = np.full(self.score_RP.shape, -1)

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        losses, aucs = [], []
        for (repeat, number), run in self.runs.items():
            seed = child_seed(self._seed, "finetune", repeat, number, epoch)
            losses.append(run.run_epoch(epoch, seed))
            logit_B, patient_B = run.test_logits()
            require_finite(torch.from_numpy(logit_B), self._stage, epoch)
            test_P = run.fold.test_P
            self.score_RP[repeat, test_P] = patient_scores(logit_B, patient_B, test_P)
            self.fold_RP[repeat, test_P] = number
            aucs.append(auc(self.beats.label_P[test_P], self.score_RP[repeat, test_P]))
        metrics = {"auc": float(np.mean(aucs)), "auc_sd": float(np.std(aucs)), "loss": float(np.mean(losses))}
        return metrics, sum(run.num_train_images for run in self.runs.values())

    def state(self) -> dict[str, Tensor]:
        return {
            f"{repeat}.{number}/{name}": tensor
            for (repeat, number), run in self.runs.items()
            for name, tensor in run.state().items()
        }

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        for (repeat, number), run in self.runs.items():
            start = f"{repeat}.{number}/"
            own = {key.removeprefix(start): tensors[key] for key in tensors if key.startswith(start)}
            run.load_state(own, name=name)


@torch.no_grad()
def _initial_features(body: nn.Module, beats: PatientBeats) -> Tensor:
    """The pretrained body's features of all beats, shape (beats, leads, D)."""
    body.eval()
    batch_size = max(1, SCORING_BATCH_SIZE // beats.num_leads)
    num_beats = len(beats.patient_B)
    batches = np.array_split(np.arange(num_beats), num_batches(num_beats, batch_size))
    features_ND = torch.cat([body(beats.take(batch)) for batch in batches])
    return features_ND.reshape(num_beats, beats.num_leads, -1)


def _commit(store: StageStore, stage: Stage, learner: CrossValidation, reports: list[EpochReport]) -> None:
    label_P = learner.beats.label_P
    classified = [classification(label_P, score_P) for score_P in learner.score_RP]
    num_beats = len(learner.beats.patient_B)
    facts = {
        "auc": reports[-1].metrics["auc"],
        "auc_sd": reports[-1].metrics["auc_sd"],
        "pooled_auc": float(np.mean([auc(label_P, score_P) for score_P in learner.score_RP])),
        **{name: float(np.mean([figures[name] for figures in classified])) for name in CLASSIFICATION_FACTS},
        "num_patients": len(label_P),
        "num_beats": num_beats,
        "num_images": num_beats * learner.beats.num_leads,
        "seconds": sum(report.seconds for report in reports),
    }
    files = {
        OOF_FILE: _encode_oof(learner),
        HISTORY_FILE: json.dumps(encode_history(reports), indent=1).encode(),
    }
    store.commit(stage, files, facts)


def _encode_oof(learner: CrossValidation) -> bytes:
    """Parquet, one row a repeat and patient; `score` is the probability of label 1."""
    beats = learner.beats
    num_repeats, num_patients = learner.score_RP.shape
    num_beats_P = np.bincount(beats.patient_B, minlength=num_patients)
    table = pa.table(
        {
            "patient_id": np.tile(beats.id_P, num_repeats),
            "label": np.tile(beats.label_P, num_repeats),
            "repeat": np.repeat(np.arange(num_repeats), num_patients),
            "fold": learner.fold_RP.ravel(),
            "score": learner.score_RP.ravel(),
            "num_beats": np.tile(num_beats_P, num_repeats),
            "num_images": np.tile(num_beats_P * beats.num_leads, num_repeats),
        }
    )
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()
