"""A small sweep that was really trained, on simulated data, without a cluster."""

from collections.abc import Sequence
from typing import Any

import optuna
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState, create_trial

from crtcore.config import SIMPLE_MODELS, Experiment
from crtcore.configfile import override
from crtcore.pipeline import open_store, plan, read_sources, run_trial
from search.study.attributes import SECONDS, STAGES
from search.study.config import keep_identity
from search.study.folder import sweep_dir
from search.study.study import open_study

SPACE: dict[str, BaseDistribution] = {
    "pretrain.objective": CategoricalDistribution(["aami5", "none"]),
    "finetune.frozen_groups": CategoricalDistribution([4, 5]),
    "finetune.model": CategoricalDistribution(SIMPLE_MODELS),
}
TRIALS: tuple[dict[str, Any], ...] = (
    {"pretrain.objective": "aami5", "finetune.frozen_groups": 4},
    {"pretrain.objective": "aami5", "finetune.frozen_groups": 5},
    {"pretrain.objective": "none", "finetune.frozen_groups": 5},
)


def finish_sweep(experiment: Experiment, trials: Sequence[dict[str, Any]] = TRIALS) -> None:
    """Train every trial of `trials` and add it to the study, as a sweep does."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sources = read_sources(experiment)
    store = open_store(experiment)
    study = open_study(experiment.storage, experiment.name, create=True)
    folder = sweep_dir(experiment.storage, experiment.name)
    keep_identity(study, folder, experiment, plan(experiment, sources))
    for params in trials:
        trial = override(experiment, params)
        stages = plan(trial, sources)
        curve = {
            report.epoch: report.metrics["auc"]
            for report in run_trial(store, trial, stages, torch.device("cpu"))
            if report.stage == "finetune"
        }
        features = stages.features
        digests = {
            "pretrain": stages.pretrain.digest,
            "features": None if features is None else features.digest,
            "finetune": stages.finetune.digest,
        }
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=curve[max(curve)],
                params=params,
                distributions={key: SPACE[key] for key in params},
                intermediate_values=curve,
                user_attrs=STAGES.item(digests) | SECONDS.item(1.5),
            )
        )
