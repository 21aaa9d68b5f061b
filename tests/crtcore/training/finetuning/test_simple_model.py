"""Simple models as trials: same folds, same files, their own small identity."""

from typing import Any

import numpy as np
import pytest

from crtcore.config import SIMPLE_MODELS, Experiment, SimpleModel
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, cross_validated_scores
from crtcore.pipeline import Plan, open_store, plan, read_sources, run_trial
from crtcore.training.finetuning.finetune import finetune_stage, run_finetune
from crtcore.training.finetuning.predictions import read_out_of_fold
from crtcore.training.finetuning.simple_features import cohort_features
from crtcore.training.finetuning.simple_model import (
    DESCRIPTIONS,
    describe,
    fit_all_patients,
    resolved,
    run_simple_model,
    simple_stage,
)
from tests.crtcore.training.tiny_sets import CPU, Prepared, experiment_with


def run(experiment: Experiment) -> tuple[Plan, list[Any]]:
    stages = plan(experiment, read_sources(experiment))
    return stages, list(run_trial(open_store(experiment), experiment, stages, CPU))


def test_scores_are_those_of_the_plain_model_in_the_networks_folds(prepared: Prepared) -> None:
    experiment = experiment_with(model="pixels", folds=3, repeats=2)
    stage = simple_stage(experiment, prepared.cohort, features=None, table=None)
    reports = list(
        run_simple_model(prepared.store, stage, experiment, prepared.cohort, features=None, table=None)
    )
    (report,) = reports
    assert (report.stage, report.epoch, report.num_epochs) == ("finetune", 1, 1)
    found = read_out_of_fold(prepared.store, stage.digest)
    assert found.patient_B is None  # a patient is scored as a whole
    images = load_images(prepared.store, prepared.cohort)
    features = cohort_features("pixels", prepared.store, images, features=None, table=None)
    expected_P = cross_validated_scores(
        features.value_PD, features.label_P, found.fold_RP, LOGISTIC_REGRESSION, seed=experiment.seed
    )
    assert found.score_RP.mean(axis=0) == pytest.approx(expected_P, abs=1e-12)
    assert report.metrics["auc"] > 0.9  # the bright band differs between the outcomes
    manifest = prepared.store.find(stage)
    assert manifest is not None
    assert manifest.facts["num_patients"] == 12 and manifest.facts["num_images"] == images.num_images
    assert dict(manifest.config) == {"model": "pixels", "folds": 3, "repeats": 2, "seed": 0}
    again = run_simple_model(prepared.store, stage, experiment, prepared.cohort, features=None, table=None)
    assert list(again) == reports


def test_the_folds_are_the_networks(prepared: Prepared, untrained: Any) -> None:
    simple = experiment_with(model="pixels", folds=4)
    stage = simple_stage(simple, prepared.cohort, features=None, table=None)
    list(run_simple_model(prepared.store, stage, simple, prepared.cohort, features=None, table=None))
    network = experiment_with(folds=4, frozen_groups=0, epochs=1)
    other = finetune_stage(network, untrained, prepared.cohort)
    list(run_finetune(prepared.store, other, network, untrained, None, prepared.cohort, CPU))
    ours, theirs = (read_out_of_fold(prepared.store, each.digest) for each in (stage, other))
    assert np.array_equal(ours.fold_RP, theirs.fold_RP)
    assert np.array_equal(ours.id_P, theirs.id_P)


@pytest.mark.parametrize("model", SIMPLE_MODELS)
def test_every_model_runs_from_recordings_to_scores(tiny: Experiment, model: SimpleModel) -> None:
    experiment = override(tiny, {"finetune.model": model})
    stages, reports = run(experiment)
    expected = ["pretrain", "features"] if stages.reads_network else []
    assert [report.stage for report in reports] == [*expected, "finetune"]
    assert stages.reads_network == (model in ("random_features", "pretrained_features"))
    store = open_store(experiment)
    assert (store.find(stages.pretrain) is not None) == stages.reads_network
    linear = fit_all_patients(
        experiment,
        store,
        load_images(store, stages.cohort),
        features=stages.features,
        table=None if stages.table is None else stages.table.stage,
    )
    assert len(linear.names) == len(linear.weight_D) > 0
    assert np.isfinite(linear.weight_D).all()


def test_settings_of_networks_are_no_part_of_a_simple_models_identity(tiny: Experiment) -> None:
    sources = read_sources(tiny)

    def digest(**changes: Any) -> str:
        return plan(override(tiny, changes), sources).finetune.digest

    for model in SIMPLE_MODELS:
        own = digest(**{"finetune.model": model})
        assert own == digest(**{"finetune.model": model, "finetune.learning_rate": 0.5})
        assert own == digest(**{"finetune.model": model, "finetune.epochs": 7, "finetune.frozen_groups": 2})
        assert own != digest(**{"finetune.model": model, "finetune.folds": 3})
        assert own != digest(**{"finetune.model": model, "seed": 1})
        depends = digest(**{"finetune.model": model, "pretrain.depth": 34}) != own
        assert depends == (model in ("random_features", "pretrained_features"))
    assert len({digest(**{"finetune.model": model}) for model in SIMPLE_MODELS}) == len(SIMPLE_MODELS)


def test_a_network_has_the_identity_that_it_always_had(tiny: Experiment) -> None:
    sources = read_sources(tiny)
    stages = plan(tiny, sources)
    assert "model" not in stages.finetune.config
    assert resolved(tiny) is tiny
    random = resolved(override(tiny, {"finetune.model": "random_features"}))
    assert (random.pretrain.objective, random.finetune.frozen_groups) == ("none", 5)


def test_every_model_has_a_description() -> None:
    assert set(DESCRIPTIONS) == set(SIMPLE_MODELS)
    assert describe("qrs") == "logistic regression on QRS duration and area"
