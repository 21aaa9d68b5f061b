"""Export and prediction, on a sweep that was really trained."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from crtcore.config import Experiment
from crtcore.errors import ConfigError, StorageError, SweepError
from crtcore.evaluation.thresholds import youden_threshold
from crtcore.prediction.bundle_content import BUNDLE_FILE
from crtcore.prediction.bundle_file import read_bundle, read_model_card
from crtcore.prediction.network import BACKBONE_FILE
from crtcore.prediction.predictor import beat_logits, patient_probability
from search.results.bundle import bundle_caveat, export_bundle, predict
from search.results.exported import fold_mean
from search.results.refit import refit
from search.results.winner import cohort_inputs, find_winner
from search.study.study import open_study


@pytest.fixture(scope="module")
def bundle(finished: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "bundle"
    export_bundle(finished.storage, finished.name, folder, onnx=True)
    return folder


def records(experiment: Experiment) -> list[Path]:
    return sorted(experiment.manifest_path.parent.glob("records/*.hea"))


def test_a_prediction_from_the_file_equals_the_one_in_process(finished: Experiment, bundle: Path) -> None:
    winner = find_winner(finished.storage, finished.name)
    logit_B = beat_logits(refit(winner), cohort_inputs(winner))
    for number, prediction in enumerate(predict(bundle, records(finished))):
        # Two beats a patient, one recording each, in the order of the manifest.
        in_process = patient_probability(logit_B[2 * number : 2 * number + 2])
        assert prediction.probability == pytest.approx(in_process, abs=1e-6)


def test_the_threshold_comes_from_out_of_fold_scores(finished: Experiment, bundle: Path) -> None:
    board = find_winner(finished.storage, finished.name).leaderboard
    assert board.predictions is not None
    expected = youden_threshold(board.predictions.label_P, board.predictions.scores()[:, board.winner])
    assert read_bundle(bundle).threshold == expected
    for prediction in predict(bundle, records(finished)[:4]):
        assert prediction.probability is not None
        assert prediction.prediction == finished.cohort.class_names[int(prediction.probability >= expected)]


def test_the_model_card_has_the_corrected_auc_the_caveat_and_the_intended_use(
    finished: Experiment, bundle: Path
) -> None:
    card = read_model_card(bundle)
    board = find_winner(finished.storage, finished.name).leaderboard
    assert board.corrected is not None
    assert card["corrected_auc"]["estimate"] == board.corrected.estimate
    assert card["simulated_data"] is True
    assert "SIMULATED" in bundle_caveat(bundle)
    assert "Not a medical device" in card["intended_use"]
    assert (bundle / "model.onnx").stat().st_size > 1e6


def test_the_folder_is_a_model_card_without_patients(finished: Experiment, bundle: Path) -> None:
    page = (bundle / "README.md").read_text()
    front = yaml.safe_load(page.split("---\n")[1])
    board = find_winner(finished.storage, finished.name).leaderboard
    assert board.corrected is not None and board.predictions is not None
    value = front["model-index"][0]["results"][0]["metrics"][0]["value"]
    assert value == pytest.approx(board.corrected.estimate, abs=1e-4)
    assert "on new patients of the same source" in page
    assert not any(patient_id in page for patient_id in board.predictions.patient_ids)
    assert finished.storage not in page


def test_the_mean_of_the_folds_is_exported_if_asked_for(
    finished: Experiment, bundle: Path, tmp_path: Path
) -> None:
    sentences = export_bundle(
        finished.storage, finished.name, tmp_path / "mean", settings=["export.networks=fold_mean"]
    )
    assert "the mean of the 2 networks of its folds" in sentences[0]
    assert read_bundle(tmp_path / "mean").threshold == read_bundle(bundle).threshold
    winner = find_winner(finished.storage, finished.name)
    logit_B = beat_logits(fold_mean(winner), cohort_inputs(winner))
    predictions = predict(tmp_path / "mean", records(finished))
    for number, prediction in enumerate(predictions):
        in_process = patient_probability(logit_B[2 * number : 2 * number + 2])
        assert prediction.probability == pytest.approx(in_process, abs=1e-6)
    alone = predict(bundle, records(finished))
    assert any(a.probability != b.probability for a, b in zip(alone, predictions, strict=True))


def test_only_settings_of_the_export_can_be_changed(finished: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"finetune.epochs cannot be changed here, only keys of export"):
        export_bundle(finished.storage, finished.name, tmp_path / "out", settings=["finetune.epochs=3"])
    with pytest.raises(ConfigError, match=r"export.networks"):
        export_bundle(finished.storage, finished.name, tmp_path / "out", settings=["export.networks=all"])


def test_half_a_second_of_signal_is_refused_and_the_others_are_predicted(
    finished: Experiment, bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "short.npz"
    np.savez(
        path, signal=np.zeros((2, 250), np.float32), leads=np.array(["II", "V1"]), sampling_rate_hz=500.0
    )
    short, good = predict(bundle, [path, records(finished)[0]])
    assert short.probability is None
    assert short.refused is not None
    assert good.probability is not None


def test_a_lead_that_the_model_needs_is_named(finished: Experiment, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(1, 5000)).astype(np.float32)
    np.savez(path, signal=signal, leads=np.array(["V6"]), sampling_rate_hz=500.0)
    (refused,) = predict(bundle, [path])
    assert refused.refused is not None
    assert "no lead II (it has V6)" in refused.refused
    assert "this model needs II, V1: give a recording with these leads" in refused.refused
    assert "cohort.leads" not in refused.refused


def test_an_unfinished_sweep_cannot_be_exported(tmp_path: Path) -> None:
    open_study(str(tmp_path / "storage"), "young", create=True)
    with pytest.raises(SweepError, match="No trial of young is complete yet"):
        export_bundle(str(tmp_path / "storage"), "young", tmp_path / "out")


def test_a_folder_that_is_not_empty_is_not_touched(finished: Experiment, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        export_bundle(finished.storage, finished.name, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", [BACKBONE_FILE, BUNDLE_FILE])
def test_a_bundle_that_was_altered_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    for file in bundle.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = bytearray((tmp_path / name).read_bytes())
    if name == BUNDLE_FILE:
        altered = json.loads(content)
        altered["threshold"] = 0.0
        content = bytearray(json.dumps(altered).encode())
    else:
        content[-1] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StorageError, match="does not match its SHA-256"):
        predict(tmp_path, [])


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no bundle"):
        predict(tmp_path, [])


def test_data_that_changed_since_the_sweep_are_refused(finished: Experiment, tmp_path: Path) -> None:
    folder = Path(finished.storage) / "sweeps" / finished.name
    config = folder / "config.yaml"
    kept = config.read_text()
    try:
        config.write_text(kept.replace("max_beats_per_recording: 2", "max_beats_per_recording: 1"))
        with pytest.raises(SweepError, match="changed since trial"):
            export_bundle(finished.storage, finished.name, tmp_path / "out")
    finally:
        config.write_text(kept)
