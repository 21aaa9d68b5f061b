"""The winner's network, trained on all patients."""

import logging

from crtcore.data.sources import Sources
from crtcore.errors import CrtError, SweepError
from crtcore.pipeline import OnProgress
from crtcore.prediction.network import BeatModel
from crtcore.prediction.refit import load_refit, refit_stage, run_refit
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import use_device
from search.results.leaderboard import Leaderboard
from search.results.winner import Winner, winner_of


def has_grad_cam(winner: Winner) -> bool:
    """Whether Grad-CAM works for the winner: it needs a 2-D ResNet with a linear head."""
    experiment = winner.experiment
    return experiment.pretrain.architecture == "resnet" and experiment.finetune.head == "linear"


def require_linear_head(winner: Winner) -> None:
    """SweepError unless the winner is a network with a linear head."""
    head = winner.experiment.finetune.head
    if head != "linear":
        raise SweepError(
            f"the winner of {winner.base.name} has the head {head}, and only a linear head can be stored as "
            "safetensors; search with finetune.head linear"
        )


def refit(winner: Winner, *, on_progress: OnProgress = lambda what, done, total: None) -> BeatModel:
    """Train the winner's network on all patients, or read it if that was done before.

    SweepError if the winner's head is not linear.
    """
    require_linear_head(winner)
    experiment, stage = winner.experiment, _refit_stage(winner)
    if winner.store.find(stage) is None:
        reports = run_refit(
            winner.store,
            stage,
            experiment.finetune,
            experiment.seed,
            winner.plan.pretrain,
            winner.plan.cohort,
            use_device(winner.device_resources()),
            images=winner.images,
        )
        for report in reports:
            on_progress("refit on all patients", report.epoch, report.num_epochs)
    return load_refit(winner.store, stage)


def load_refitted(winner: Winner) -> BeatModel | None:
    """The winner's network trained on all patients; None if it was not trained yet."""
    stage = _refit_stage(winner)
    return None if winner.store.find(stage) is None else load_refit(winner.store, stage)


def refit_if_cheap(
    leaderboard: Leaderboard,
    storage: str,
    *,
    budget_s: float,
    sources: Sources | None = None,
    store: StageStore | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> bool:
    """Refit the winner if that takes at most about `budget_s` here. Returns whether it was done.

    The report, the bundle and the dashboard's Grad-CAM need the refitted network. The time is estimated from
    the time of the trial's folds. If the sweep had GPUs and this machine has none, nothing is done. A
    CrtError is logged as a warning, because the leaderboard is complete without the refit. `sources` and
    `store` are those of `winner_of`.
    """
    if leaderboard.best is None:
        return False
    try:
        winner = winner_of(leaderboard, storage, sources=sources, store=store)
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
    """The expected time of the refit: K folds train on K - 1 cohorts in total, the refit trains on one."""
    config, stages = winner.experiment.finetune, winner.plan
    seconds = 0.0
    for stage, share in ((stages.finetune, 1 / (config.repeats * (config.folds - 1))), (stages.features, 1)):
        manifest = None if stage is None else winner.store.find(stage)
        seconds += 0.0 if manifest is None else share * float(manifest.facts["seconds"])
    return seconds
