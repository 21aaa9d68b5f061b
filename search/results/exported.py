"""What is exported: the winner's trained model with its preparation and threshold, and the comparators."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from crtcore.config import SIMPLE_MODELS, SimpleModel
from crtcore.errors import SweepError
from crtcore.evaluation.thresholds import youden_threshold
from crtcore.model.checkpoint import load_backbone
from crtcore.pipeline import OnProgress
from crtcore.prediction.fold_networks import fold_networks_stage, load_fold_networks, run_fold_networks
from crtcore.prediction.linear import SimplePredictor
from crtcore.prediction.network import MAX_NETWORKS, Model
from crtcore.prediction.predictor import Predictor, Preparation
from crtcore.training.engine.device import use_device
from crtcore.training.finetuning.simple_model import fit_all_patients, is_simple
from crtcore.training.pretraining.pretrain import MODEL_FILE
from search.results.leaderboard import Row
from search.results.refit import refit, require_linear_head
from search.results.winner import Winner, trial_of

MODEL_KEY: Final = "finetune.model"


def predictor_of(trial: Winner, *, on_progress: OnProgress = lambda what, done, total: None) -> Predictor:
    """A trial's trained model, ready to predict.

    The threshold is chosen on the trial's out-of-fold scores, so no model has scored its own training
    patients. Raises the errors of `exported_model`.
    """
    experiment = trial.experiment
    model: Model | SimplePredictor
    if is_simple(experiment):
        model = simple_predictor(trial)
        waveform, amplitude = model.takes_waveforms, False
    else:
        model = exported_model(trial, on_progress=on_progress)
        waveform, amplitude = experiment.takes_waveforms, experiment.finetune.amplitude
    return Predictor(
        model=model,
        preparation=Preparation(
            spectrogram=experiment.spectrogram,
            leads=trial.sources.cohort_leads,
            max_beats=experiment.cohort.max_beats_per_recording,
            amplitude=amplitude,
            waveform=waveform,
        ),
        threshold=youden_threshold(trial.predictions.label_P, trial.scores()),
        classes=trial.base.cohort.class_names,
    )


def comparator_trials(winner: Winner) -> dict[SimpleModel, Winner]:
    """The best complete trial of each simple model in the sweep, the winner's own kind left out."""
    rows: dict[SimpleModel, Row] = {}
    for row in winner.leaderboard.rows:  # in rank order
        kind = row.params.get(MODEL_KEY)
        if row.state == "COMPLETE" and kind in SIMPLE_MODELS and kind != winner.experiment.finetune.model:
            rows.setdefault(kind, row)
    return {
        kind: trial_of(
            winner.leaderboard, rows[kind], winner.base, sources=winner.sources, store=winner.store
        )
        for kind in SIMPLE_MODELS
        if kind in rows
    }


def simple_predictor(trial: Winner) -> SimplePredictor:
    """A trial's simple model, fitted to all patients. It takes seconds."""
    kind, plan = trial.experiment.finetune.model, trial.plan
    assert kind != "network"
    return SimplePredictor(
        kind=kind,
        linear=fit_all_patients(
            trial.experiment,
            trial.store,
            trial.images,
            features=plan.features,
            table=None if plan.table is None else plan.table.stage,
        ),
        backbone=load_backbone(trial.store.path(plan.pretrain, MODEL_FILE)) if plan.reads_network else None,
    )


def exported_model(winner: Winner, *, on_progress: OnProgress = lambda what, done, total: None) -> Model:
    """Train the network or networks that `export` writes, or read them if that was done before.

    SweepError if the winner's head is not linear, or if there would be too many networks; StorageError if
    networks that are trained again do not give the scores of the trial.
    """
    return _KINDS[winner.base.export.networks](winner, on_progress)


def fold_mean(winner: Winner, on_progress: OnProgress = lambda what, done, total: None) -> Model:
    """The networks of the winner's folds, of all repeats. The errors are those of `exported_model`."""
    require_linear_head(winner)
    experiment, plan, store = winner.experiment, winner.plan, winner.store
    num_networks = experiment.finetune.folds * experiment.finetune.repeats
    if num_networks > MAX_NETWORKS:
        raise SweepError(
            f"export.networks fold_mean would write {num_networks} networks, one for each fold of each "
            f"repeat, and a model holds at most {MAX_NETWORKS}; set export.networks to one"
        )
    stage = fold_networks_stage(plan.finetune)
    reports = run_fold_networks(
        store,
        stage,
        experiment,
        pretrain=plan.pretrain,
        features=plan.features,
        cohort=plan.cohort,
        finetune=plan.finetune,
        device=use_device(winner.device_resources()),
    )
    for report in reports:
        on_progress("the networks of the folds", report.epoch, report.num_epochs)
    return load_fold_networks(store, stage)


_KINDS: Final[Mapping[Literal["one", "fold_mean"], Callable[[Winner, OnProgress], Model]]] = {
    "one": lambda winner, on_progress: refit(winner, on_progress=on_progress),
    "fold_mean": fold_mean,
}
