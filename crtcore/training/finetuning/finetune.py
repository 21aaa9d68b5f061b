"""The stage `finetune`: one trial on the cohort, by patient-wise cross-validation with all folds in lockstep.

Each epoch trains the network of every fold once and then reports, so an early stop is decided on all folds.
The scores of the last epoch count. Choosing the best epoch would choose it on the patients who are scored.
"""

import time
from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from torch import nn

from crtcore.config import Experiment
from crtcore.data.loader import load_images
from crtcore.data.splits import cohort_folds
from crtcore.model.backbones import GROUPS
from crtcore.model.checkpoint import load_backbone
from crtcore.stages.stage import JSON, Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import on_device_if_it_fits, precision_identity
from crtcore.training.engine.epochs import fit
from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.commit import commit_finetune, committed_reports
from crtcore.training.finetuning.cross_validation import CrossValidation, RepeatedFolds, fit_classifiers
from crtcore.training.finetuning.epoch_ranks import encode_ranks
from crtcore.training.finetuning.features import features_stage, load_activations
from crtcore.training.finetuning.patients import PatientBeats, patient_beats
from crtcore.training.finetuning.predictions import OutOfFold
from crtcore.training.pretraining.pretrain import MODEL_FILE

FINETUNE_VERSION: Final = 4
LINEAR: Final = "linear"
GRADIENT_SETTINGS: Final = ("learning_rate", "batch_size", "weight_decay")  # no effect on scikit-learn heads


def finetune_stage(experiment: Experiment, pretrain: Stage, cohort: Stage) -> Stage:
    """The identity of one trial: its fine-tuning settings, the seed, and the stages it reads."""
    features = features_stage(experiment, pretrain, cohort)
    return Stage(
        name="finetune",
        config={**_identity(experiment), "seed": experiment.seed},
        inputs=(pretrain.digest, cohort.digest, *([] if features is None else [features.digest])),
        version=FINETUNE_VERSION,
    )


def _identity(experiment: Experiment) -> dict[str, JSON]:
    config = experiment.finetune.model_dump(mode="json", exclude={"model"})  # it is `network`
    if experiment.finetune.head != LINEAR:
        config = {name: value for name, value in config.items() if name not in GRADIENT_SETTINGS}
    trains_body = experiment.finetune.frozen_groups < len(GROUPS)
    return {**config, **(precision_identity(experiment) if trains_body else {})}


def run_finetune(
    store: StageStore,
    stage: Stage,
    experiment: Experiment,
    pretrain: Stage,
    features: Stage | None,
    cohort: Stage,
    device: torch.device,
) -> Iterator[EpochReport]:
    """Fine-tune and score every fold.

    Yields one report per epoch, read back if the stage is committed already.

    A scikit-learn head reports once, as the last epoch. Commits the out-of-fold predictions (see
    `predictions.py`), `history.json` and facts. Raises DataError if a class of the cohort has too few
    patients for the folds, DivergedError if the loss or scores are not finite.
    """
    if store.find(stage) is not None:
        yield from committed_reports(store, stage)
        return
    body, beats, folds = training_inputs(store, experiment, pretrain, features, cohort, device)
    if experiment.finetune.head != LINEAR:
        yield _fit_classifiers(store, stage, experiment, beats, folds)
        return
    learner = CrossValidation(stage, experiment, body, beats, folds)
    yield from fit(
        store,
        stage,
        learner,
        num_epochs=experiment.finetune.epochs,
        finish=lambda reports: _commit(store, stage, beats, learner.out_of_fold, reports),
        ranks=lambda: encode_ranks(learner.out_of_fold),
    )


def training_inputs(
    store: StageStore,
    experiment: Experiment,
    pretrain: Stage,
    features: Stage | None,
    cohort: Stage,
    device: torch.device,
) -> tuple[nn.Module, PatientBeats, RepeatedFolds]:
    """What a trial trains: the groups that are not frozen, their inputs, and the folds of each repeat."""
    images = load_images(store, cohort)
    body = _trained_part(store, pretrain, experiment.finetune.frozen_groups).to(device)
    inputs = (
        torch.from_numpy(np.array(images.image_NFT))
        if features is None
        else load_activations(store, features)
    )
    beats = patient_beats(
        images,
        on_device_if_it_fits(inputs, device),
        device=device,
        amplitude=experiment.finetune.amplitude,
    )
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
    return body, beats, folds


def _trained_part(store: StageStore, pretrain: Stage, num_frozen: int) -> nn.Module:
    """The groups that are trained on the cohort. If all are frozen, there are none, and no file is read."""
    if num_frozen == len(GROUPS):
        return nn.Sequential()
    return load_backbone(store.path(pretrain, MODEL_FILE)).tail(num_frozen)


def _fit_classifiers(
    store: StageStore, stage: Stage, experiment: Experiment, beats: PatientBeats, folds: RepeatedFolds
) -> EpochReport:
    start_s = time.monotonic()
    found, metrics = fit_classifiers(experiment, beats, folds)
    num_beats = sum(len(beats.beats_of(fold.train_P)) for repeat in folds for fold in repeat)
    last = experiment.finetune.epochs  # the fit is final, so it compares with the last epoch of other heads
    report = EpochReport(
        stage=stage.name,
        epoch=last,
        num_epochs=last,
        metrics=metrics,
        num_images=num_beats * beats.num_leads,
        seconds=time.monotonic() - start_s,
        ranks=encode_ranks(found),
    )
    _commit(store, stage, beats, found, [report])
    return report


def _commit(
    store: StageStore, stage: Stage, beats: PatientBeats, found: OutOfFold, reports: list[EpochReport]
) -> None:
    num_beats_P = np.bincount(beats.patient_B, minlength=len(beats.id_P))
    commit_finetune(store, stage, found, reports, num_beats_P=num_beats_P, num_leads=beats.num_leads)
