"""What a sweep can optimise or bound, and which way is better."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

import torch

from crtcore.config import Experiment
from crtcore.model.backbones import Backbone
from crtcore.model.freezing import freeze_groups
from crtcore.searchconfig import Bounded
from search.study.study import Direction

METRIC: Final = "auc"  # patient-wise, mean over folds, of the stage `finetune`; learning curves show it
DIRECTIONS: Final[Mapping[str, Direction]] = {METRIC: "maximize", "trainable_parameters": "minimize"}

# The objectives of an experiment that are known before it is run.
Foreknown = Callable[[Experiment], Mapping[str, float]]


def directions(experiment: Experiment) -> list[Direction]:
    """The Optuna direction of each objective, in the config's order."""
    return [DIRECTIONS[name] for name in experiment.search.objectives]


def foreknown(experiment: Experiment, *, num_leads: int) -> dict[str, float]:
    """`trainable_parameters`: the weights of the groups that are not frozen, plus those of a linear head,
    even if the experiment has another head. Only the network's shapes are built, not its weights.
    """
    pretrain, finetune = experiment.pretrain, experiment.finetune
    num_body, num_features = _unfrozen(pretrain.architecture, pretrain.depth, finetune.frozen_groups)
    num_votes = num_leads if finetune.lead_fusion == "concatenate" else 1
    num_inputs = (num_features + finetune.amplitude) * num_votes
    return {"trainable_parameters": float(num_body + num_inputs + 1)}


def is_within(bounds: Mapping[Bounded, float], quantities: Mapping[str, float]) -> bool:
    """Whether every quantity is within its bound."""
    return all(quantities[name] <= bound for name, bound in bounds.items())


@cache
def _unfrozen(architecture: str, depth: int, frozen_groups: int) -> tuple[int, int]:
    with torch.device("meta"):
        backbone = Backbone(depth, architecture)
    freeze_groups(backbone, frozen_groups)
    unfrozen = (parameter.numel() for parameter in backbone.parameters() if parameter.requires_grad)
    return sum(unfrozen), backbone.num_features
