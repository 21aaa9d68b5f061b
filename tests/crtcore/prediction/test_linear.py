"""A simple model predicts as scikit-learn's pipeline does, or is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from crtcore.config import FEATURE_MODELS, SIMPLE_MODELS, Experiment, SimpleModel, SpectrogramConfig
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.errors import DataError, StorageError
from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, plain_model
from crtcore.evaluation.linear_model import LinearModel
from crtcore.model.backbones import build
from crtcore.model.checkpoint import load_backbone
from crtcore.pipeline import open_store, plan, read_sources, run_trial
from crtcore.prediction.bundle_content import BUNDLE_FILE
from crtcore.prediction.bundle_file import read_bundle, write_bundle
from crtcore.prediction.linear import LINEAR_FILE, SimplePredictor, encode_linear, linear_files, load_linear
from crtcore.prediction.predictor import Predictor, Preparation
from crtcore.signal.formats import read_any
from crtcore.training.finetuning.patient_table import QRS_NAMES
from crtcore.training.finetuning.simple_features import CohortFeatures, cohort_features, recording_features
from crtcore.training.finetuning.simple_model import fit_all_patients, resolved
from crtcore.training.pretraining.pretrain import MODEL_FILE
from tests.crtcore.training.tiny_sets import CPU


def trained(experiment: Experiment) -> tuple[Predictor, CohortFeatures, Pipeline, dict[str, Any]]:
    """The model's predictor, its training table, scikit-learn's own fit to it, and each patient's values."""
    experiment = resolved(experiment)
    model = experiment.finetune.model
    assert model != "network"
    store, sources = open_store(experiment), read_sources(experiment)
    stages = plan(experiment, sources)
    list(run_trial(store, experiment, stages, CPU))
    images = load_images(store, stages.cohort)
    table = None if stages.table is None else stages.table.stage
    features = cohort_features(model, store, images, features=stages.features, table=table)
    pipeline = plain_model(LOGISTIC_REGRESSION, experiment.seed).fit(features.value_PD, features.label_P)
    linear = fit_all_patients(experiment, store, images, features=stages.features, table=table)
    backbone = load_backbone(store.path(stages.pretrain, MODEL_FILE)) if model in FEATURE_MODELS else None
    predictor = Predictor(
        model=SimplePredictor(kind=model, linear=linear, backbone=backbone),
        preparation=Preparation(
            spectrogram=experiment.spectrogram, leads=sources.cohort_leads, max_beats=2, amplitude=False
        ),
        threshold=0.5,
        classes=("0", "1"),
    )
    patients = {patient.patient_id: patient for patient in sources.patients}
    first = {source.patient_id: source.path for source in reversed(sources.cohort)}
    return predictor, features, pipeline, {name: (first[name], patients[name].clinical) for name in first}


@pytest.mark.parametrize("kind", SIMPLE_MODELS)
def test_a_bundle_predicts_recordings_as_the_fitted_pipeline_does(
    tiny: Experiment, tmp_path: Path, kind: SimpleModel
) -> None:
    predictor, features, pipeline, people = trained(override(tiny, {"finetune.model": kind}))
    write_bundle(tmp_path / "bundle", predictor, {})
    read = read_bundle(tmp_path / "bundle")
    assert json.loads((tmp_path / "bundle" / BUNDLE_FILE).read_text())["kind"] == "linear"
    assert read.preparation == predictor.preparation
    assert isinstance(read.model, SimplePredictor) and read.model.kind == kind
    expected_P = pipeline.predict_proba(features.value_PD)[:, 1]
    assert np.ptp(expected_P) > 0.05
    for patient_id, expected in zip(features.id_P.tolist()[:8], expected_P.tolist(), strict=False):
        path, clinical = people[patient_id]
        found = read.probability(path, clinical)
        recording = read_any(path)
        value_D = recording_features(
            kind,
            features.names,
            recording=recording,
            image_BCFT=predictor.preparation.inputs(recording).image_BCFT,
            backbone=read.model.backbone,
            clinical=clinical,
        )
        assert found == pytest.approx(pipeline.predict_proba(value_D[None])[0, 1], abs=1e-9)
        # The features of a network are float32 sums, whose order depends on the batch.
        assert found == pytest.approx(expected, abs=1e-4 if kind in FEATURE_MODELS else 1e-9)


def linear(names: tuple[str, ...], **changes: Any) -> LinearModel:
    num = len(names)
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        "median_D": rng.normal(size=num),
        "mean_D": rng.normal(size=num),
        "scale_D": 1 + rng.random(num),
        "weight_D": rng.normal(size=num),
        "intercept": 0.25,
    }
    return LinearModel(names=names, **(values | changes))


def save(folder: Path, model: SimplePredictor) -> None:
    for name, content in encode_linear(model).items():
        (folder / name).write_bytes(content)


def load(folder: Path, *, has_backbone: bool = False) -> SimplePredictor:
    return load_linear(folder.joinpath, ("II", "V1"), has_backbone=has_backbone)


def test_every_digit_comes_back(tmp_path: Path) -> None:
    model = SimplePredictor(kind="qrs", linear=linear(QRS_NAMES))
    save(tmp_path, model)
    assert linear_files(encode_linear(model)) == (LINEAR_FILE,)
    found = load(tmp_path).linear
    assert found.names == QRS_NAMES
    for name in ("median_D", "mean_D", "scale_D", "weight_D"):
        assert np.array_equal(getattr(found, name), getattr(model.linear, name))
    assert found.intercept == 0.25


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": 2}, "it is of version 2"),
        ({"kind": "svm"}, "kind cannot be used"),
        ({"names": []}, "names cannot be used"),
        ({"names": ["qrs_duration_ms", "qrs_duration_ms"]}, "names are not different names"),
        ({"names": ["qrs_duration_ms", "age_years"]}, "not the 2 of qrs"),
        ({"weight_D": [1.0]}, "weight_D has 1 values for 2 names"),
        ({"scale_D": [0.0, 1.0]}, r"scale_D.0 cannot be used"),
        ({"mean_D": ["NaN", 1.0]}, r"mean_D.0 cannot be used"),
        ({"intercept": 1e999}, "cannot be used"),
        ({"kind": "pixels"}, "has 2 features, not the 512 of pixels on leads II, V1"),
        ({"kind": "random_features"}, "its network does not fit"),
        ({"unknown": 1}, "unknown cannot be used"),
    ],
)
def test_what_no_export_wrote_is_named(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    save(tmp_path, SimplePredictor(kind="qrs", linear=linear(QRS_NAMES)))
    content = json.loads((tmp_path / LINEAR_FILE).read_text()) | changes
    (tmp_path / LINEAR_FILE).write_text(json.dumps(content))
    with pytest.raises(StorageError, match=fault):
        load(tmp_path)


def test_a_network_that_a_model_does_not_read_is_refused(tmp_path: Path) -> None:
    save(tmp_path, SimplePredictor(kind="qrs", linear=linear(QRS_NAMES), backbone=build(18, 0).backbone))
    with pytest.raises(StorageError, match="is of kind qrs, and its network does not fit"):
        load(tmp_path, has_backbone=True)


def test_a_clinical_model_names_its_columns_once(simulated_dir: Path) -> None:
    names = ("age_years", "sex: male", "nyha: 3", "nyha: 4")
    model = SimplePredictor(kind="clinical", linear=linear(names))
    assert model.columns == ("age_years", "sex", "nyha")
    predictor = Predictor(
        model=model,
        preparation=Preparation(spectrogram=SpectrogramConfig(), leads=("II",), max_beats=None),
        threshold=0.5,
        classes=("0", "1"),
    )
    path = sorted((simulated_dir / "cohort" / "records").glob("*.hea"))[0]
    with pytest.raises(DataError, match="no ECG but these columns of the manifest: age_years, sex, nyha"):
        predictor.probability(path)
    with pytest.raises(DataError, match="the model needs age_years, sex, nyha, and none is known"):
        predictor.probability(path, {"height_cm": 180})
    assert 0 < predictor.probability(path, {"age_years": 60}) < 1


def test_beats_count_for_images_and_one_recording_for_the_others() -> None:
    value_D = np.array([100.0, np.nan])
    model = SimplePredictor(kind="qrs", linear=linear(QRS_NAMES))
    (logit,) = model.logits(value_D, 3)
    by_median = np.array([100.0, model.linear.median_D[1]])
    assert logit == pytest.approx(model.linear.logits(by_median[None])[0], abs=1e-12)
    pixels = SimplePredictor(kind="pixels", linear=linear(("a", "b")))
    assert len(pixels.logits(value_D, 3)) == 3
