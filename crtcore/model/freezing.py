"""Freeze the first groups of a backbone: their weights and batch-norm statistics do not change."""

from crtcore.model.backbones import GROUPS, Backbone


def freeze_groups(backbone: Backbone, num_groups: int) -> None:
    """Freeze the first `num_groups` of the five groups and unfreeze the rest, in place.

    A frozen group has no gradient and normalises with its stored statistics, also after `train()`. In
    training mode, batch norm would update its statistics from the cohort's patients, and the group would not
    be frozen.
    """
    assert 0 <= num_groups <= len(GROUPS), num_groups
    for number, group in enumerate(backbone.groups()):
        group.requires_grad_(number >= num_groups)
    backbone.num_frozen = num_groups
    backbone.train(backbone.training)
