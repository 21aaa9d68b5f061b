"""What is exported, on sweeps that were really trained: networks, simple models, comparators."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from crtcore.config import SIMPLE_MODELS, Experiment
from crtcore.configfile import override
from crtcore.errors import ConfigError, DataError, StorageError, SweepError
from crtcore.evaluation.delong import paired_test
from crtcore.evaluation.thresholds import youden_threshold
from crtcore.prediction.bundle_content import BUNDLE_FILE
from crtcore.prediction.bundle_file import (
    COMPARATORS,
    read_bundle,
    read_comparators,
    read_model_card,
    write_bundle,
)
from crtcore.prediction.linear import LINEAR_FILE, SimplePredictor
from crtcore.prediction.network import BACKBONE_FILE, BeatModel
from crtcore.prediction.predictor import beat_logits
from search.results.bundle import export_bundle, predict
from search.results.exported import comparator_trials, exported_model, fold_mean, predictor_of
from search.results.model_card import model_card
from search.results.refit import refit
from search.results.training_record import training_record
from search.results.validation import Validation, validate
from search.results.winner import Winner, cohort_inputs, find_winner, trial_of
from tests.search.finished_sweep import finish_sweep

SIMPLE = tuple({"finetune.model": kind} for kind in SIMPLE_MODELS)


@pytest.fixture
def winner(finished: Experiment) -> Winner:
    return find_winner(finished.storage, finished.name)


def changed(winner: Winner, **values: object) -> Winner:
    changes = {key.replace("__", "."): value for key, value in values.items()}
    return replace(
        winner, base=override(winner.base, changes), experiment=override(winner.experiment, changes)
    )


def test_one_is_the_refit_and_the_mean_is_another_model(winner: Winner) -> None:
    inputs = cohort_inputs(winner)
    one = beat_logits(exported_model(winner), inputs)
    assert (one == beat_logits(refit(winner), inputs)).all()
    mean = exported_model(changed(winner, export__networks="fold_mean"))
    assert (beat_logits(mean, inputs) != one).any()


def test_a_second_export_only_reads(winner: Winner) -> None:
    first = beat_logits(fold_mean(winner), cohort_inputs(winner))
    again = fold_mean(winner, lambda what, done, total: pytest.fail("it was trained again"))
    assert (beat_logits(again, cohort_inputs(winner)) == first).all()


def test_too_many_networks_are_refused(winner: Winner) -> None:
    many = changed(winner, finetune__repeats=60)
    with pytest.raises(SweepError, match=r"would write 120 networks.*at most 100; set export.networks"):
        fold_mean(many)


@pytest.fixture(scope="module")
def swept(finished: Experiment) -> Experiment:
    """A network and all simple models, in the storage of the finished sweep."""
    experiment = override(finished, {"name": "beside"})
    network = {"pretrain.objective": "none", "finetune.frozen_groups": 5}
    finish_sweep(experiment, (network, *SIMPLE))
    return experiment


@pytest.fixture(scope="module")
def network(swept: Experiment) -> Winner:
    """The network, whichever trial won."""
    winner = find_winner(swept.storage, swept.name)
    (row,) = (row for row in winner.leaderboard.rows if row.number == 0)
    return trial_of(winner.leaderboard, row, winner.base, sources=winner.sources, store=winner.store)


@pytest.fixture(scope="module")
def bundle(network: Winner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network with the simple models beside it."""
    folder = tmp_path_factory.mktemp("beside") / "model"
    others = comparator_trials(network)
    training = training_record(network, tuple(others.values()))
    write_bundle(
        folder,
        predictor_of(network),
        model_card(network, training, others),
        training,
        comparators={kind: predictor_of(trial) for kind, trial in others.items()},
    )
    return folder


@pytest.fixture(scope="module")
def found(bundle: Path, elsewhere: Path) -> Validation:
    return validate(bundle, elsewhere)


def paths(manifest: Path) -> dict[str, Path]:
    with manifest.open() as stream:
        return {row["patient_id"]: manifest.parent / row["recording"] for row in csv.DictReader(stream)}


def test_every_simple_model_lies_beside_the_network(network: Winner, bundle: Path) -> None:
    assert isinstance(read_bundle(bundle).model, BeatModel)
    comparators = read_comparators(bundle)
    assert tuple(comparators) == SIMPLE_MODELS
    assert tuple(read_model_card(bundle)["comparators"]) == SIMPLE_MODELS
    for kind, trial in comparator_trials(network).items():
        model = comparators[kind].model
        assert isinstance(model, SimplePredictor) and model.kind == kind
        expected = youden_threshold(trial.predictions.label_P, trial.scores())
        assert comparators[kind].threshold == expected


def test_validate_compares_with_them_on_the_same_patients(
    found: Validation, bundle: Path, elsewhere: Path
) -> None:
    names = [each.name for each in found.comparators]
    assert len(names) == len(SIMPLE_MODELS) and not found.comparators_missing
    comparators, files = read_comparators(bundle), paths(elsewhere)
    for kind, comparison in zip(SIMPLE_MODELS, found.comparators, strict=True):
        score_P = found.other_scores[comparison.name]
        for patient, score in zip(found.patients[:3], score_P[:3].tolist(), strict=True):
            expected = comparators[kind].probability(files[patient.patient_id], patient.clinical)
            assert score == pytest.approx(expected, abs=1e-9)
        assert comparison.test == paired_test(found.labels(), found.probability_P, score_P)
    content = found.as_json()
    assert [each["name"] for each in content["comparators"]] == names
    assert content["comparators_not_available"] == {}


def test_a_manifest_without_clinical_columns_has_no_clinical_comparator(
    bundle: Path, elsewhere: Path, tmp_path: Path
) -> None:
    manifest = bare(elsewhere, tmp_path)
    found = validate(bundle, manifest)
    assert len(found.comparators) == len(SIMPLE_MODELS) - 1
    ((name, lacking),) = found.comparators_missing.items()
    assert name == "logistic regression on clinical variables"
    assert "age_years" in lacking


def bare(elsewhere: Path, folder: Path) -> Path:
    """The same patients with nothing but recordings and labels."""
    with elsewhere.open() as stream:
        rows = list(csv.DictReader(stream))
    path = folder / "bare.csv"
    lines = [f"{row['patient_id']},{elsewhere.parent / row['recording']},{row['label']}" for row in rows]
    path.write_text("\n".join(["patient_id,recording,label", *lines]) + "\n")
    return path


@pytest.mark.parametrize("name", [BUNDLE_FILE, LINEAR_FILE])
def test_an_altered_comparator_is_refused(bundle: Path, tmp_path: Path, name: str, elsewhere: Path) -> None:
    for file in (path for path in bundle.rglob("*") if path.is_file()):
        target = tmp_path / file.relative_to(bundle)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    altered = tmp_path / COMPARATORS / "pixels" / name
    content = json.loads(altered.read_text())
    content |= {"threshold": 0.0} if name == BUNDLE_FILE else {"intercept": 9.0}
    altered.write_text(json.dumps(content))
    with pytest.raises(StorageError, match=f"pixels/{name} does not match its SHA-256"):
        validate(tmp_path, elsewhere)


@pytest.mark.parametrize("kind", ["pixels", "clinical"])
def test_a_simple_winner_is_exported_alone(
    finished: Experiment, tmp_path: Path, elsewhere: Path, kind: str
) -> None:
    experiment = override(finished, {"name": f"only_{kind}"})
    finish_sweep(experiment, ({"finetune.model": kind},))
    folder = tmp_path / "model"
    with pytest.raises(ConfigError, match=r"is logistic regression on .* export without --onnx"):
        export_bundle(experiment.storage, experiment.name, folder, onnx=True)
    sentences = export_bundle(experiment.storage, experiment.name, folder)
    assert "logistic regression on" in sentences[0] and "fitted to all" in sentences[0]
    names = {path.name for path in folder.iterdir()}
    assert LINEAR_FILE in names and BACKBONE_FILE not in names and COMPARATORS not in names
    assert "The model is logistic regression on" in (folder / "README.md").read_text()
    (prediction,) = predict(folder, [next(iter(paths(elsewhere).values()))])
    found = validate(folder, elsewhere)
    assert found.performance.num_patients > 20 and not found.comparators
    if kind == "pixels":
        assert prediction.probability == pytest.approx(found.probability_P[0], abs=1e-12)
        return
    assert prediction.probability is None
    assert "reads no ECG but these columns of the manifest: " in str(prediction.refused)
    assert "age_years" in str(prediction.refused)
    with pytest.raises(DataError, match=r"has no values in .*age_years.* and the model needs them"):
        validate(folder, bare(elsewhere, tmp_path))
