"""The networks of the folds give the out-of-fold scores of their trial, or they are refused."""

from typing import Any

import numpy as np
import pytest
import torch

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.errors import StorageError
from crtcore.model.backbones import build
from crtcore.pipeline import Plan, open_store, plan, read_sources, run_trial
from crtcore.prediction.fold_networks import (
    fold_networks_stage,
    load_fold_networks,
    run_fold_networks,
    with_mean_head,
)
from crtcore.prediction.network import BeatModel, networks_of
from crtcore.prediction.predictor import BeatInputs, beat_logits
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.patients import patient_beats, patient_scores
from crtcore.training.finetuning.predictions import read_out_of_fold

CPU = torch.device("cpu")


def trained(experiment: Experiment) -> tuple[StageStore, Plan]:
    store = open_store(experiment)
    stages = plan(experiment, read_sources(experiment))
    for _ in run_trial(store, experiment, stages, CPU):
        pass
    return store, stages


def run(
    store: StageStore, experiment: Experiment, stages: Plan, finetune: Stage | None = None
) -> list[EpochReport]:
    finetune = finetune or stages.finetune
    return list(
        run_fold_networks(
            store,
            fold_networks_stage(finetune),
            experiment,
            pretrain=stages.pretrain,
            features=stages.features,
            cohort=stages.cohort,
            finetune=finetune,
            device=CPU,
        )
    )


def inputs_of(store: StageStore, stages: Plan, experiment: Experiment) -> tuple[BeatInputs, Any]:
    images = load_images(store, stages.cohort)
    beats = patient_beats(
        images, torch.from_numpy(np.array(images.image_NFT)), amplitude=experiment.finetune.amplitude
    )
    return BeatInputs(image_BCFT=beats.inputs.numpy(), scalar_BCE=beats.scalar_BCE.numpy()), beats


def test_each_network_gives_the_scores_of_its_fold(tiny: Experiment) -> None:
    experiment = override(
        tiny,
        {
            "pretrain.objective": "none",
            "finetune.frozen_groups": 4,
            "finetune.repeats": 2,
            "finetune.amplitude": True,
        },
    )
    store, stages = trained(experiment)
    reports = run(store, experiment, stages)
    assert [report.epoch for report in reports] == list(range(1, experiment.finetune.epochs + 1))
    assert run(store, experiment, stages) == []  # the second time, it is read
    model = load_fold_networks(store, fold_networks_stage(stages.finetune))
    networks = networks_of(model)
    assert len(networks) == 2 * experiment.finetune.folds
    found = read_out_of_fold(store, stages.finetune.digest)
    inputs, beats = inputs_of(store, stages, experiment)
    logits = [beat_logits(network, inputs) for network in networks]
    for number, logit_B in enumerate(logits):
        repeat, fold = divmod(number, experiment.finetune.folds)
        tested = np.flatnonzero(found.fold_RP[repeat] == fold)
        score_P = patient_scores(logit_B, beats.patient_B, np.arange(len(beats.id_P)))
        assert score_P[tested] == pytest.approx(found.score_RP[repeat, tested], abs=1e-6)
        others = np.setdiff1d(np.arange(len(beats.id_P)), tested)
        assert not np.allclose(score_P[others], found.score_RP[repeat, others], atol=1e-6)
    assert beat_logits(model, inputs) == pytest.approx(np.mean(logits, axis=0), abs=1e-5)


@pytest.mark.parametrize("lead_fusion", ["concatenate", "mean_prediction"])
def test_heads_on_one_frozen_network_become_one_head(tiny: Experiment, lead_fusion: str) -> None:
    experiment = override(
        tiny,
        {"pretrain.objective": "none", "finetune.frozen_groups": 5, "finetune.lead_fusion": lead_fusion},
    )
    store, stages = trained(experiment)
    run(store, experiment, stages)
    model = load_fold_networks(store, fold_networks_stage(stages.finetune))
    assert isinstance(model, BeatModel)
    manifest = store.find(fold_networks_stage(stages.finetune))
    assert manifest is not None
    assert manifest.facts["num_networks"] == experiment.finetune.folds
    assert manifest.facts["largest_difference"] == 0.0


def test_the_mean_head_gives_the_mean_logit() -> None:
    backbone = build(18, 0).backbone
    generator = torch.Generator().manual_seed(0)
    networks = []
    for _ in range(3):
        network = BeatModel(backbone, num_leads=2, lead_fusion="concatenate", num_scalars=1)
        with torch.no_grad():
            for tensor in network.head.state_dict().values():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            network.head.linear.weight -= 1.0
        networks.append(network)
    rng = np.random.default_rng(0)
    inputs = BeatInputs(
        image_BCFT=rng.integers(0, 256, (4, 2, 64, 64), dtype=np.uint8),
        scalar_BCE=rng.normal(size=(4, 2, 1)).astype(np.float32),
    )
    logit_KB = np.stack([beat_logits(network, inputs) for network in networks])
    assert np.ptp(logit_KB, axis=0).min() > 1e-2  # the heads differ
    assert beat_logits(with_mean_head(networks), inputs) == pytest.approx(
        logit_KB.mean(axis=0), rel=1e-5, abs=1e-4
    )


def test_networks_with_other_scores_are_refused_and_not_kept(tiny: Experiment) -> None:
    experiment = override(tiny, {"pretrain.objective": "none", "finetune.frozen_groups": 5})
    store, stages = trained(experiment)
    # The trial of another learning rate has other scores in the same folds.
    _, others = trained(override(experiment, {"finetune.learning_rate": 0.05}))
    with pytest.raises(StorageError, match=r"differ from the trial by .*set export.networks to one"):
        run(store, experiment, stages, others.finetune)
    stage = fold_networks_stage(others.finetune)
    assert store.find(stage) is None
    assert store.load_progress(stage) is None
