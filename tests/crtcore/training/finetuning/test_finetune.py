import io
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from crtcore.data.loader import load_images
from crtcore.data.splits import patient_folds
from crtcore.errors import DataError, DivergedError
from crtcore.evaluation.metrics import auc
from crtcore.model.checkpoint import load_backbone
from crtcore.seeding import child_seed
from crtcore.stages.stage import Stage
from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.cross_validation import CrossValidation
from crtcore.training.finetuning.features import features_stage, run_features
from crtcore.training.finetuning.finetune import finetune_stage, run_finetune
from crtcore.training.finetuning.patients import patient_beats
from tests.crtcore.training.tiny_sets import CPU, Prepared, experiment_with


def run(
    prepared: Prepared, pretrain: Stage, stop_after: int = 99, **finetune: Any
) -> tuple[Stage, list[EpochReport]]:
    experiment = experiment_with(**finetune)
    features = features_stage(experiment, pretrain, prepared.cohort)
    if features is not None:
        list(run_features(prepared.store, features, experiment, pretrain, prepared.cohort, CPU))
    stage = finetune_stage(experiment, pretrain, prepared.cohort)
    reports = []
    for report in run_finetune(prepared.store, stage, experiment, pretrain, features, prepared.cohort, CPU):
        reports.append(report)
        if len(reports) == stop_after:
            break
    return stage, reports


def oof(prepared: Prepared, stage: Stage) -> dict[str, np.ndarray]:
    table = pq.read_table(io.BytesIO(prepared.store.path(stage, "oof.parquet").read_bytes()))
    return {name: table[name].to_numpy() for name in table.column_names}


def test_a_planted_signal_is_found_and_each_patient_is_scored_once_per_repeat(
    prepared: Prepared, untrained: Stage
) -> None:
    stage, reports = run(prepared, untrained, epochs=10, learning_rate=0.01, repeats=2)
    assert [report.epoch for report in reports] == list(range(1, 11))
    assert reports[-1].metrics["loss"] < reports[0].metrics["loss"]
    assert reports[-1].metrics["auc"] > 0.9
    assert reports[0].num_images == 2 * 48  # with two folds, each image is trained on once per repeat
    scores = oof(prepared, stage)
    assert sorted(scores["patient_id"]) == sorted([f"p{number}" for number in range(12)] * 2)
    assert ((scores["score"] > 0) & (scores["score"] < 1)).all()
    assert scores["num_beats"].sum() == 2 * 24
    assert scores["num_images"].sum() == 2 * 48
    for repeat in (0, 1):
        rows = scores["repeat"] == repeat
        ids, labels = scores["patient_id"][rows].astype(np.str_), scores["label"][rows]
        folds = patient_folds(ids, labels, num_folds=2, seed=child_seed(0, "folds", repeat))
        for number, fold in enumerate(folds):
            assert (scores["fold"][rows][fold.test_P] == number).all()
    manifest = prepared.store.find(stage)
    assert manifest is not None
    assert manifest.facts["auc"] == reports[-1].metrics["auc"]
    assert manifest.facts["num_patients"] == 12
    assert manifest.facts["num_beats"] == 24
    assert manifest.facts["num_images"] == 48
    pooled = [
        auc(scores["label"][scores["repeat"] == r], scores["score"][scores["repeat"] == r]) for r in (0, 1)
    ]
    assert manifest.facts["pooled_auc"] == pytest.approx(np.mean(pooled))
    assert 0 <= manifest.facts["sensitivity"] <= 1
    assert run(prepared, untrained, epochs=10, learning_rate=0.01, repeats=2) == (stage, reports)


def test_an_interrupted_run_ends_with_the_same_bits(prepared: Prepared, untrained: Stage) -> None:
    settings = {"epochs": 3, "batch_size": 24, "frozen_groups": 4}
    _, first = run(prepared, untrained, stop_after=2, **settings)
    stage, resumed = run(prepared, untrained, **settings)
    assert resumed[:1] == first[:1]
    resumed_scores = oof(prepared, stage)["score"]
    prepared.store.discard(stage)
    _, straight = run(prepared, untrained, **settings)
    assert [report.metrics for report in straight] == [report.metrics for report in resumed]
    assert np.array_equal(oof(prepared, stage)["score"], resumed_scores)


def test_the_whole_network_trains_if_no_group_is_frozen(prepared: Prepared, untrained: Stage) -> None:
    stage, reports = run(prepared, untrained, frozen_groups=0, epochs=1, lead_fusion="mean")
    assert reports[0].metrics["loss"] < np.log(2)  # the loss if all weights of the head are 0
    assert len(oof(prepared, stage)["score"]) == 12


def test_too_few_patients_for_the_folds_are_refused(prepared: Prepared, untrained: Stage) -> None:
    with pytest.raises(DataError, match=r"5 patients have label 1, .* set finetune.folds to 5"):
        run(prepared, untrained, folds=6)


def test_divergence_is_reported_with_stage_and_epoch(prepared: Prepared, untrained: Stage) -> None:
    with pytest.raises(DivergedError, match=r"finetune/\w+ diverged in epoch \d"):
        run(prepared, untrained, learning_rate=1e38)


def test_the_digest_follows_the_settings_that_matter(prepared: Prepared, untrained: Stage) -> None:
    def digest(seed: int = 0, **finetune: Any) -> str:
        return finetune_stage(experiment_with(seed=seed, **finetune), untrained, prepared.cohort).digest

    assert len({digest(), digest(seed=1), digest(frozen_groups=4), digest(batch_size=24)}) == 4
    assert digest() == digest()


@pytest.mark.parametrize("head", ["logistic_regression", "svm", "cubic_svm", "random_forest"])
def test_scikit_learn_heads_score_each_patient_out_of_fold_in_one_report(
    prepared: Prepared, untrained: Stage, head: str
) -> None:
    stage, reports = run(prepared, untrained, head=head, repeats=2, epochs=7)
    assert [(report.epoch, report.num_epochs) for report in reports] == [(7, 7)]
    assert reports[0].metrics["auc"] > 0.9
    scores = oof(prepared, stage)
    assert len(scores["score"]) == 24
    assert ((scores["score"] >= 0) & (scores["score"] <= 1)).all()
    manifest = prepared.store.find(stage)
    assert manifest is not None
    assert manifest.facts["auc"] == reports[0].metrics["auc"]
    assert "beats.parquet" not in manifest.files  # they score a patient as a whole
    assert run(prepared, untrained, head=head, repeats=2, epochs=7) == (stage, reports)


def test_settings_of_gradient_descent_do_not_change_the_digest_of_scikit_learn_heads(
    prepared: Prepared, untrained: Stage
) -> None:
    def digest(**finetune: Any) -> str:
        return finetune_stage(experiment_with(**finetune), untrained, prepared.cohort).digest

    assert digest(head="svm") == digest(head="svm", learning_rate=0.5, batch_size=7, weight_decay=0)
    assert digest(head="svm") != digest(head="svm", lead_fusion="mean")
    assert digest(learning_rate=0.5) != digest()


def test_amplitudes_are_features_of_the_head(prepared: Prepared, untrained: Stage) -> None:
    """All beats of the tiny cohort have one amplitude: a constant feature, which changes the scale."""
    plain, _ = run(prepared, untrained, epochs=1)
    with_amplitude, _ = run(prepared, untrained, epochs=1, amplitude=True)
    assert plain.digest != with_amplitude.digest
    scores = oof(prepared, plain)["score"], oof(prepared, with_amplitude)["score"]
    assert not np.array_equal(*scores)
    np.testing.assert_allclose(*scores, atol=0.05)


def test_a_trial_from_scratch_moves_every_weight_of_a_random_network(
    prepared: Prepared, untrained: Stage
) -> None:
    experiment = experiment_with(frozen_groups=0, epochs=1, batch_size=12)  # two steps: the head starts at 0
    assert features_stage(experiment, untrained, prepared.cohort) is None
    images = load_images(prepared.store, prepared.cohort)
    beats = patient_beats(images, torch.from_numpy(np.array(images.image_NFT)))
    backbone = load_backbone(prepared.store.path(untrained, "model.safetensors"))
    folds = (patient_folds(beats.id_P, beats.label_P, num_folds=2, seed=1),)
    stage = finetune_stage(experiment, untrained, prepared.cohort)
    learner = CrossValidation(stage, experiment, backbone.tail(0), beats, folds)
    learner.run_epoch(1)
    state = learner.state()
    for number in (0, 1):
        moved = [
            not torch.equal(state[f"{number}/module.body.{name}"], tensor)
            for name, tensor in backbone.tail(0).named_parameters()
        ]
        assert all(moved)
