"""The winner's trained model, as `export.networks` asks for it."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from crtcore.errors import SweepError
from crtcore.pipeline import OnProgress
from crtcore.prediction.fold_networks import fold_networks_stage, load_fold_networks, run_fold_networks
from crtcore.prediction.network import MAX_NETWORKS, Model
from crtcore.training.engine.device import use_device
from search.results.refit import refit, require_linear_head
from search.results.winner import Winner


def exported_model(winner: Winner, *, on_progress: OnProgress = lambda what, done, total: None) -> Model:
    """Train the model that `export` writes, or read it if that was done before.

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
