"""External validation end to end: a model that was really trained, on a second simulated cohort."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.errors import CrtError, DataError, StorageError
from crtcore.evaluation.delong import auc_interval
from crtcore.prediction.bundle_file import read_bundle, write_bundle
from crtcore.prediction.training_record import TrainingRecord
from crtcore.signal.fingerprint import fingerprint
from crtcore.signal.formats import read_any
from search.results.training_record import OUTCOME
from search.results.validation import Validation, validate
from search.results.validation_cohort import cohort_of


@pytest.fixture(scope="module")
def found(model_folder: Path, elsewhere: Path) -> Validation:
    return validate(model_folder, elsewhere)


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open() as stream:
        return [
            row | {"recording": str(manifest.parent / row["recording"])} for row in csv.DictReader(stream)
        ]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def is_responder(row: dict[str, str]) -> bool:
    return row["label"] == "1"


def test_every_patient_is_scored_as_predict_scores_them(
    found: Validation, model_folder: Path, elsewhere: Path
) -> None:
    predictor = read_bundle(model_folder)
    paths = {row["patient_id"]: Path(row["recording"]) for row in rows_of(elsewhere)}
    for patient, probability in zip(found.patients, found.probability_P, strict=True):
        assert probability == predictor.probability(paths[patient.patient_id])
    assert found.performance.threshold == predictor.threshold
    assert found.performance.auc == auc_interval(found.labels(), found.probability_P)
    assert (found.num_listed, found.num_recordings) == (24, 24)
    assert len(found.patients) + len(found.refused) == 24


def test_rules_differences_and_checks_are_there(found: Validation) -> None:
    assert {"guideline", "LBBB alone", "QRS duration alone"} <= {rule.name for rule in found.rules}
    assert found.cohort_differences is not None
    by_name = {each.name: each for each in found.cohort_differences}
    assert by_name["sampling_rate_hz"].standardised == 0.0
    assert by_name[OUTCOME].here is not None
    assert by_name[OUTCOME].here.mean == pytest.approx(100 * found.labels().mean())
    assert found.was_checked_for_leaks
    assert "SIMULATED" in found.caveat


def test_the_json_names_no_patient(found: Validation) -> None:
    text = json.dumps(found.as_json(), default=str)
    assert not [patient.patient_id for patient in found.patients if patient.patient_id in text]


def test_several_recordings_of_a_patient_are_one_patient(
    model_folder: Path, elsewhere: Path, tmp_path: Path, found: Validation
) -> None:
    rows = rows_of(elsewhere)
    alike = [row for row in rows if is_responder(row) == is_responder(rows[0])]
    joined = [row | (rows[0] | {"recording": row["recording"]} if row is alike[1] else {}) for row in rows]
    both = validate(model_folder, write(tmp_path / "cohort.csv", joined))
    assert both.num_listed == 23
    assert len(both.patients) == len(found.patients) - 1


@pytest.mark.parametrize("is_saved_again", [False, True])
def test_a_patient_of_the_training_is_refused_by_row(
    finished: Experiment, model_folder: Path, elsewhere: Path, tmp_path: Path, is_saved_again: bool
) -> None:
    leaked = rows_of(finished.manifest_path)[3] | {"patient_id": "somebody else"}
    if is_saved_again:
        raw = read_any(Path(leaked["recording"]))
        leaked["recording"] = str(tmp_path / "copy.npz")
        np.savez(
            tmp_path / "copy.npz",
            signal=raw.signal_CS,
            leads=np.array(raw.leads),
            sampling_rate_hz=raw.sampling_rate_hz,
        )
    manifest = write(tmp_path / "cohort.csv", [*rows_of(elsewhere), leaked])
    with pytest.raises(DataError, match=r"trained or pre-trained on these recordings .* rows 2\d;") as error:
        validate(model_folder, manifest)
    assert "somebody" not in str(error.value)


def test_a_record_of_the_pre_training_is_refused(
    finished: Experiment, model_folder: Path, elsewhere: Path, tmp_path: Path
) -> None:
    record = sorted(finished.database_path.glob("*.hea"))[0].with_suffix("")
    pieces = frozenset(piece for lead in fingerprint(read_any(record)) for piece in lead)
    training = TrainingRecord(cohort={}, files=frozenset(), pieces=pieces)
    write_bundle(tmp_path / "pretrained", read_bundle(model_folder), {}, training)
    rows = rows_of(elsewhere)
    rows[5]["recording"] = str(record)
    manifest = write(tmp_path / "cohort.csv", rows)
    row = cohort_of(manifest, read_bundle(model_folder))[1].cohort[5].row
    with pytest.raises(DataError, match=f"of the manifest: rows {row};"):
        validate(tmp_path / "pretrained", manifest)


def test_a_bundle_without_a_training_record_is_still_validated(
    model_folder: Path, elsewhere: Path, tmp_path: Path, found: Validation
) -> None:
    write_bundle(tmp_path / "old", read_bundle(model_folder), {"caveat": "An old one."})
    old = validate(tmp_path / "old", elsewhere)
    assert (old.cohort_differences, old.was_checked_for_leaks) == (None, False)
    assert old.performance == found.performance
    assert old.caveat.startswith("The model: An old one. These patients: SIMULATED")


def test_one_class_is_refused(model_folder: Path, elsewhere: Path, tmp_path: Path) -> None:
    manifest = write(tmp_path / "cohort.csv", [row for row in rows_of(elsewhere) if is_responder(row)])
    with pytest.raises(DataError, match="only patients with label 1; both outcomes"):
        validate(model_folder, manifest)


def test_one_class_among_the_usable_is_refused(model_folder: Path, elsewhere: Path, tmp_path: Path) -> None:
    rows = rows_of(elsewhere)
    for row in rows:
        if not is_responder(row):
            row["recording"] = str(tmp_path / f"{row['patient_id']}.npz")
            Path(row["recording"]).write_text("no archive")
    with pytest.raises(DataError, match="0 patients with label 0 whose recordings can be used"):
        validate(model_folder, write(tmp_path / "cohort.csv", rows))


def test_a_manifest_without_labels_is_refused(model_folder: Path, tmp_path: Path) -> None:
    manifest = write(tmp_path / "cohort.csv", [{"patient_id": "1", "recording": "a"}])
    with pytest.raises(DataError, match="has no column label"):
        validate(model_folder, manifest)


def test_what_is_no_bundle_or_no_manifest_is_refused(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no bundle"):
        validate(tmp_path, tmp_path / "cohort.csv")
    with pytest.raises(CrtError, match=r"gone\.csv"):
        validate(model_folder, tmp_path / "gone.csv")


def test_one_recording_under_two_patients_is_refused(
    model_folder: Path, elsewhere: Path, tmp_path: Path
) -> None:
    rows = rows_of(elsewhere)
    copy = read_any(Path(rows[0]["recording"]))
    np.savez(
        tmp_path / "copy.npz",
        signal=copy.signal_CS,
        leads=np.array(copy.leads),
        sampling_rate_hz=copy.sampling_rate_hz,
    )
    rows.append(rows[0] | {"patient_id": "twin", "recording": str(tmp_path / "copy.npz")})
    with pytest.raises(DataError, match="hold the same signal under two patients"):
        validate(model_folder, write(tmp_path / "cohort.csv", rows))
