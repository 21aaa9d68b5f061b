import json

import pytest
import torch

from crtcore.errors import DivergedError
from crtcore.model.backbones import build
from crtcore.model.checkpoint import load_classifier
from crtcore.seeding import child_seed
from crtcore.stages.stage import Stage
from crtcore.training.engine.history import EpochReport
from crtcore.training.pretraining.beat_scores import read_scores
from crtcore.training.pretraining.pretrain import pretrain_stage, run_pretrain
from tests.crtcore.training.tiny_sets import CPU, Prepared, experiment_with


def run(prepared: Prepared, stop_after: int = 99, **pretrain: object) -> tuple[Stage, list[EpochReport]]:
    experiment = experiment_with(pretrain=pretrain)
    stage = pretrain_stage(experiment, prepared.arrhythmia)
    reports = []
    for report in run_pretrain(prepared.store, stage, experiment, prepared.arrhythmia, CPU):
        reports.append(report)
        if len(reports) == stop_after:
            break
    return stage, reports


def weights(prepared: Prepared, stage: Stage) -> dict[str, torch.Tensor]:
    network = load_classifier(prepared.store.path(stage, "model.safetensors"))
    return dict(network.state_dict())


def test_training_lowers_the_loss_and_an_interrupted_run_ends_with_the_same_bits(prepared: Prepared) -> None:
    stage, first = run(prepared, stop_after=2, epochs=3)
    assert prepared.store.find(stage) is None
    _, resumed = run(prepared, epochs=3)
    assert resumed[:1] == first[:1]
    assert resumed[1].metrics["loss"] < resumed[0].metrics["loss"]
    resumed_weights = weights(prepared, stage)
    prepared.store.discard(stage)
    _, straight = run(prepared, epochs=3)
    assert [report.metrics for report in straight] == [report.metrics for report in resumed]
    straight_weights = weights(prepared, stage)
    assert all(torch.equal(tensor, resumed_weights[name]) for name, tensor in straight_weights.items())
    assert run(prepared, epochs=3)[1] == []


def test_the_inter_patient_split_scores_the_other_half(prepared: Prepared) -> None:
    stage, reports = run(prepared, epochs=1, split="inter_patient", balance="none")
    metrics = reports[0].metrics
    assert reports[0].num_images == 20
    assert {"image_f1_N", "image_f1_V", "image_f1_Q"} <= metrics.keys()
    assert "image_f1_S" not in metrics  # there is no such beat in the scored records
    f1 = [metrics[f"image_f1_{name}"] for name in ("N", "V", "Q")]
    assert metrics["image_macro_f1"] == pytest.approx(sum(f1) / 3)
    manifest = prepared.store.find(stage)
    assert manifest is not None
    scores = read_scores(prepared.store.path(stage, "scores.parquet"))
    assert manifest.facts["figures"] == scores.metrics(seed=0)
    assert manifest.facts["figures"]["accuracy"] == metrics["image_accuracy"]
    assert set(scores.record_N.tolist()) == {"100", "103"}
    assert manifest.facts["metrics"] == metrics
    assert manifest.facts["classes"] == ["N", "S", "V", "F", "Q"]
    assert manifest.facts["num_images"] == 20
    history = json.loads(prepared.store.path(stage, "history.json").read_text())
    assert history[0]["metrics"] == metrics


def test_without_an_objective_only_batch_statistics_change(prepared: Prepared, untrained: Stage) -> None:
    initial = build(18, child_seed(child_seed(0, "pretrain"), "initial")).state_dict()
    stored = weights(prepared, untrained)
    moved = {name for name in initial if not torch.equal(initial[name], stored[name])}
    assert moved == {name for name in initial if "running_" in name or "num_batches" in name}


def test_the_digest_follows_the_settings_that_matter(prepared: Prepared) -> None:
    def digest(seed: int = 0, **pretrain: object) -> str:
        return pretrain_stage(experiment_with(seed=seed, pretrain=pretrain), prepared.arrhythmia).digest

    assert digest() != digest(seed=1)
    assert digest() != digest(learning_rate=0.01)
    assert digest(objective="none") == digest(objective="none", learning_rate=0.01, epochs=9)
    assert digest(objective="none") != digest(objective="none", depth=34)
    assert digest(architecture="alexnet") == digest(architecture="alexnet", depth=34)
    assert digest(architecture="alexnet") != digest()
    finetuned = pretrain_stage(experiment_with(learning_rate=0.5), prepared.arrhythmia)
    assert finetuned.digest == digest()


def test_a_learning_rate_that_is_far_too_high_is_reported_as_divergence(prepared: Prepared) -> None:
    with pytest.raises(DivergedError, match=r"pretrain/\w+ diverged in epoch 1"):
        run(prepared, learning_rate=1e30, epochs=1)


def test_images_are_scored_once_after_the_last_epoch(prepared: Prepared) -> None:
    _, reports = run(
        prepared, epochs=2, split="intra_patient", balance="balanced_sampling", images_per_epoch=8
    )
    assert [("image_accuracy" in report.metrics) for report in reports] == [False, True]
    assert [report.num_images for report in reports] == [8, 8]


def test_other_networks_are_trained_and_stored_too(prepared: Prepared) -> None:
    stage, reports = run(prepared, epochs=1, architecture="alexnet", images_per_epoch=20)
    assert len(reports) == 1
    network = load_classifier(prepared.store.path(stage, "model.safetensors"))
    assert network.backbone.architecture == "alexnet"


def test_bfloat16_has_another_digest_and_learns_the_same(prepared: Prepared) -> None:
    experiment = experiment_with(pretrain={"epochs": 1, "images_per_epoch": 20})
    rough = experiment.model_copy(
        update={"resources": experiment.resources.model_copy(update={"precision": "bfloat16"})}
    )
    stages = [pretrain_stage(each, prepared.arrhythmia) for each in (experiment, rough)]
    assert stages[0].digest != stages[1].digest
    losses = []
    for each, stage in zip((experiment, rough), stages, strict=True):
        (report,) = run_pretrain(prepared.store, stage, each, prepared.arrhythmia, CPU)
        losses.append(report.metrics["loss"])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
