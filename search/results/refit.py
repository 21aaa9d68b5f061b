"""The winner's network, trained on all patients."""

import logging

from crtcore.errors import CrtError, SweepError
from crtcore.pipeline import OnProgress
from crtcore.prediction.network import BeatModel
from crtcore.prediction.refit import load_refit, refit_stage, run_refit
from crtcore.stages.stage import Stage
from crtcore.training.engine.device import use_device
from search.results.leaderboard import Leaderboard
from search.results.winner import Winner, winner_of


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
