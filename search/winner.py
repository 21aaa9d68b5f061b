"""The winner of a sweep as something that can be run again: its settings, its data, its stages."""

import logging
from dataclasses import dataclass

import numpy as np
import torch

from crtcore.config import Experiment, TrialResources
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.data.sources import Sources
from crtcore.errors import CrtError, SweepError
from crtcore.pipeline import OnProgress, Plan, open_store, plan, read_sources
from crtcore.prediction.network import BeatModel
from crtcore.prediction.predictor import BeatInputs
from crtcore.prediction.refit import load_refit, refit_stage, run_refit
from crtcore.stages import Stage, StageStore
from crtcore.training.device import use_device
from crtcore.training.patients import patient_beats
from search.leaderboard import Leaderboard, Row, build_leaderboard
from search.stored_config import stored_experiment


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best complete trial. `experiment` holds its hyperparameters; `base` is the sweep's."""

    leaderboard: Leaderboard
    row: Row
    base: Experiment
    experiment: Experiment
    sources: Sources
    plan: Plan
    store: StageStore

    @property
    def is_pretrained(self) -> bool:
        """False of the from-scratch arm, whose network was random before it was trained on the cohort."""
        return self.experiment.pretrain.objective != "none"

    def device_resources(self) -> TrialResources:
        """What a trial had; the CPU alone where the sweep's GPUs are not at hand."""
        resources = self.base.resources.trial
        if resources.gpus and not torch.cuda.is_available():
            return resources.model_copy(update={"gpus": 0.0})
        return resources


def find_winner(storage: str, name: str) -> Winner:
    """The winner of sweep `name`, with its data at hand.

    SweepError if no trial is complete, or if data or code are no longer those that the trial ran with;
    DataError if recordings or the manifest are gone.
    """
    return winner_of(build_leaderboard(storage, name), storage)


def winner_of(leaderboard: Leaderboard, storage: str) -> Winner:
    """The winner of a leaderboard of `storage`; raises as `find_winner` does."""
    row, name = leaderboard.best, leaderboard.name
    if row is None:
        raise SweepError(f"{leaderboard.sentences()[0]} Run `crtsearch sweep` again until one is")
    base = stored_experiment(storage, name)
    experiment = override(base, row.params)
    sources = read_sources(experiment)
    stages = plan(experiment, sources)
    if stages.finetune.digest != row.stages["finetune"]:
        raise SweepError(
            f"the recordings, the manifest or this version of crtsearch are not those that trial "
            f"{row.number} of {name} ran with; go back to them, or run the sweep again under a new name"
        )
    return Winner(
        leaderboard=leaderboard,
        row=row,
        base=base,
        experiment=experiment,
        sources=sources,
        plan=stages,
        store=open_store(experiment),
    )


def has_grad_cam(winner: Winner) -> bool:
    """Whether the winner's network can be refitted and has the layers that Grad-CAM looks into."""
    experiment = winner.experiment
    return experiment.pretrain.architecture == "resnet" and experiment.finetune.head == "linear"


def refit(winner: Winner, *, on_progress: OnProgress = lambda what, done, total: None) -> BeatModel:
    """The winner's network, trained on all patients; built once and then read."""
    experiment, stages = winner.experiment, winner.plan
    if experiment.finetune.head != "linear":
        raise SweepError(
            f"the winner of {winner.base.name} has the head {experiment.finetune.head}, and only a linear "
            f"one can be stored as safetensors; search with finetune.head linear"
        )
    stage = _refit_stage(winner)
    reports = run_refit(
        winner.store,
        stage,
        experiment.finetune,
        experiment.seed,
        stages.pretrain,
        stages.cohort,
        use_device(winner.device_resources()),
    )
    for report in reports:
        on_progress("refit on all patients", report.epoch, report.num_epochs)
    return load_refit(winner.store, stage)


def load_refitted(winner: Winner) -> BeatModel | None:
    """The winner's network, trained on all patients; None where that has not been done yet."""
    stage = _refit_stage(winner)
    return None if winner.store.find(stage) is None else load_refit(winner.store, stage)


def refit_if_cheap(
    leaderboard: Leaderboard,
    storage: str,
    *,
    budget_s: float,
    on_progress: OnProgress = lambda what, done, total: None,
) -> bool:
    """Refit the winner, which its report, its bundle and its picture on the dashboard begin with, if that
    takes about `budget_s` at most here; whether it was.

    Reckoned from what the trial's folds took, and not done where its sweep had GPUs and this machine has
    none. What stands in its way is logged, not raised: a leaderboard is not refused for want of a picture.
    """
    if leaderboard.best is None:
        return False
    try:
        winner = winner_of(leaderboard, storage)
        is_as_fast = winner.device_resources() == winner.base.resources.trial
        if not has_grad_cam(winner) or not is_as_fast or _refit_s(winner) > budget_s:
            return False
        refit(winner, on_progress=on_progress)
    except CrtError as error:
        logging.getLogger(__name__).warning("the winner was not refitted on all patients: %s", error)
        return False
    return True


def _refit_stage(winner: Winner) -> Stage:
    experiment, stages = winner.experiment, winner.plan
    return refit_stage(experiment.finetune, experiment.seed, stages.pretrain, stages.cohort)


def _refit_s(winner: Winner) -> float:
    """About how long the refit takes: K folds train on K - 1 cohorts together, it trains on one."""
    config, stages = winner.experiment.finetune, winner.plan
    seconds = 0.0
    for stage, share in ((stages.finetune, 1 / (config.repeats * (config.folds - 1))), (stages.features, 1)):
        manifest = None if stage is None else winner.store.find(stage)
        seconds += 0.0 if manifest is None else share * float(manifest.facts["seconds"])
    return seconds


def cohort_inputs(winner: Winner) -> BeatInputs:
    """All beats of the cohort as the winner's network is given them, in the order of the stored images."""
    images = load_images(winner.store, winner.plan.cohort)
    beats = patient_beats(
        images, torch.from_numpy(np.array(images.image_NFT)), amplitude=winner.experiment.finetune.amplitude
    )
    return BeatInputs(image_BCFT=beats.inputs.numpy(), scalar_BCE=beats.scalar_BCE.numpy())
