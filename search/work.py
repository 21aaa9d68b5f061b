"""What a trial computes, relative to others: enough to start the long ones early."""

from functools import cache

import torch

from crtcore.config import Experiment
from crtcore.model.backbones import GROUPS, Backbone


def relative_work(experiment: Experiment) -> float:
    """The fine-tuning's weights times the passes that train them, from the config alone.

    No seconds are measured for it: what is run next would hang on them, and a sweep that is run again would
    not go the same way. The work of an image grows nearly as the weights do from ResNet-18 to 152.
    """
    pretrain, finetune = experiment.pretrain, experiment.finetune
    open_share = 1 - finetune.frozen_groups / len(GROUPS)
    return (
        _num_weights(pretrain.architecture, pretrain.depth) * finetune.epochs * finetune.repeats * open_share
    )


@cache
def _num_weights(architecture: str, depth: int) -> int:
    with torch.device("meta"):  # shapes only
        backbone = Backbone(depth, architecture)
    return sum(parameter.numel() for parameter in backbone.parameters())
