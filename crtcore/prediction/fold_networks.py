"""The stage `fold_networks`: the networks that gave a trial its out-of-fold scores.

The stage `finetune` keeps the scores only, because few trials win. Here the same training runs again, from
the same seeds, and is refused unless it gives the same scores. The networks of all repeats are kept: a
patient's score is the mean over repeats, and the threshold is chosen on these scores.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch

from crtcore.config import Experiment
from crtcore.errors import StorageError
from crtcore.model.backbones import GROUPS, Backbone
from crtcore.model.checkpoint import load_backbone
from crtcore.prediction.network import (
    BeatModel,
    MeanModel,
    Model,
    assembled,
    count_networks,
    encode_model,
    load_model,
)
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.epochs import fit
from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.cross_validation import CrossValidation
from crtcore.training.finetuning.finetune import training_inputs
from crtcore.training.finetuning.patients import PatientBeats
from crtcore.training.finetuning.predictions import OutOfFold, read_out_of_fold
from crtcore.training.pretraining.pretrain import MODEL_FILE

FOLD_NETWORKS_VERSION: Final = 1
LARGEST_DIFFERENCE: Final = 1e-4
"""Of a patient's score. On the machine that ran the trial, differences of up to 1e-6 were measured."""


def fold_networks_stage(finetune: Stage) -> Stage:
    """The identity of a trial's networks: its stage `finetune`."""
    return Stage(name="fold_networks", config={}, inputs=(finetune.digest,), version=FOLD_NETWORKS_VERSION)


def run_fold_networks(
    store: StageStore,
    stage: Stage,
    experiment: Experiment,
    *,
    pretrain: Stage,
    features: Stage | None,
    cohort: Stage,
    finetune: Stage,
    device: torch.device,
) -> Iterator[EpochReport]:
    """Train the networks of all folds of a trial with a linear head again, and commit them.

    Yields one report per epoch, or none if the stage was built before. StorageError if the scores differ from
    those of the stage `finetune`; nothing is committed then.
    """
    if store.find(stage) is not None:
        return
    expected = read_out_of_fold(store, finetune.digest)
    body, beats, folds = training_inputs(store, experiment, pretrain, features, cohort, device)
    learner = CrossValidation(stage, experiment, body, beats, folds)

    def finish(reports: list[EpochReport]) -> None:
        try:
            difference = _require_same(expected, learner.out_of_fold)
        except StorageError:
            store.clear_progress(stage)  # the next try starts afresh
            raise
        backbone = load_backbone(store.path(pretrain, MODEL_FILE))
        model = _model(backbone, learner, beats, experiment)
        facts = {
            "num_networks": len(learner.networks()),
            "largest_difference": difference,
            "seconds": sum(report.seconds for report in reports),
        }
        store.commit(stage, encode_model(model), facts)

    yield from fit(store, stage, learner, num_epochs=experiment.finetune.epochs, finish=finish)


def load_fold_networks(store: StageStore, stage: Stage) -> Model:
    """The networks of a committed stage, as one model. StorageError if it was not built or is damaged."""
    manifest = store.find(stage)
    names = () if manifest is None else manifest.files
    return load_model(lambda name: store.path(stage, name), count_networks(names))


def with_mean_head(networks: Sequence[BeatModel]) -> BeatModel:
    """One network with the mean logit of several that differ in their heads alone: a linear head again."""
    first = networks[0]
    heads = [network.head for network in networks]
    # Each logit is w s (x - m) + b. The sums are in float64.
    slope_KD = torch.stack([head.linear.weight[0].double() * head.scale_D.double() for head in heads])
    mean_KD = torch.stack([head.mean_D.double() for head in heads])
    offset_K = torch.stack([head.linear.bias[0].double() for head in heads]) - (slope_KD * mean_KD).sum(dim=1)
    slope_D, centre_D = slope_KD.mean(dim=0), mean_KD.mean(dim=0)
    scale_D = torch.stack([head.scale_D.double() for head in heads]).mean(dim=0)
    mean = BeatModel(
        first.backbone,
        num_leads=first.num_leads,
        lead_fusion=first.lead_fusion,
        num_scalars=first.num_scalars,
    )
    with torch.no_grad():
        mean.head.mean_D.copy_(centre_D)
        mean.head.scale_D.copy_(scale_D)
        mean.head.linear.weight.copy_((slope_D / scale_D)[None])
        mean.head.linear.bias.copy_((offset_K.mean() + (slope_D * centre_D).sum())[None])
    return mean.eval()


def _model(
    backbone: Backbone, learner: CrossValidation, beats: PatientBeats, experiment: Experiment
) -> Model:
    config = experiment.finetune
    num_leads, num_scalars = beats.scalar_BCE.shape[1:]
    shares_backbone = config.frozen_groups == len(GROUPS)
    networks = [
        assembled(
            backbone if shares_backbone else copy.deepcopy(backbone),
            trained,
            num_frozen=config.frozen_groups,
            num_leads=num_leads,
            num_scalars=num_scalars,
            lead_fusion=config.lead_fusion,
        )
        for trained in learner.networks()
    ]
    return with_mean_head(networks) if shares_backbone else MeanModel(networks)


def _require_same(expected: OutOfFold, found: OutOfFold) -> float:
    """The largest difference of a patient's score; StorageError if it is more than rounding."""
    assert np.array_equal(expected.id_P, found.id_P)  # the stage's identity holds the cohort
    difference = float(np.abs(expected.score_RP - found.score_RP).max())
    if not difference <= LARGEST_DIFFERENCE:  # also if it is NaN
        raise StorageError(
            f"the folds' networks, trained again, differ from the trial by {difference:.2g} in a patient's "
            "score, so its score is not theirs: this machine computes differently; export on the machine "
            "that ran the trial, or set export.networks to one"
        )
    return difference
