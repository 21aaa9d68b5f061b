"""The patient manifest (CSV or Parquet, one row per recording), as far as it goes without a recording."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crtcore.config import Experiment
from crtcore.errors import DataError

REQUIRED = ("patient_id", "recording")
LVESV = ("lvesv_baseline_ml", "lvesv_followup_ml")
RESPONSE_FALL = 0.15  # LVESV falls by 15 % or more: the volumetric definition of response (He et al. 2023)
NOT_CLINICAL = (*REQUIRED, *LVESV, "label", "fold")


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One patient of the cohort: outcome, predefined fold if the manifest gives one, and clinical variables
    by column.
    """

    patient_id: str
    label: int
    fold: int | None = None
    clinical: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """A recording and whose it is; `where` names the manifest and the row, for messages."""

    where: str
    recording: str
    patient: Patient


@dataclass(frozen=True, kw_only=True)
class _Row:
    number: int  # as an editor shows it: the header of a CSV is row 1
    values: dict[str, Any]


def read_manifest(experiment: Experiment) -> tuple[ManifestRow, ...]:
    """The manifest's rows, those of the patients whom `cohort.patients` leaves.

    Raises DataError naming the manifest's row for a missing column, a label that is neither 0 nor 1, a
    patient with two labels or two folds, a recording listed twice, for a patient of `cohort.patients` who is
    not there, and for a cohort with one class only.
    """
    manifest = experiment.manifest_path
    wanted = None if experiment.cohort.patients is None else set(experiment.cohort.patients)
    found: list[ManifestRow] = []
    first: dict[str, Patient] = {}
    listed: set[str] = set()
    for row in _rows(manifest):
        where = f"{manifest} row {row.number}"
        patient = _patient(row, where)
        if wanted is not None and patient.patient_id not in wanted:
            continue
        _check_alike(first.setdefault(patient.patient_id, patient), patient, where)
        recording = str(row.values["recording"])
        if recording in listed:
            raise DataError(f"{where}: recording {recording!r} is listed twice; remove one of the rows")
        listed.add(recording)
        found.append(ManifestRow(where=where, recording=recording, patient=patient))
    absent = (wanted or set()) - first.keys()
    if absent:
        raise DataError(f"{manifest} has no patient {min(absent)}; take that name out of cohort.patients")
    _check_cohort(manifest, first.values())
    return tuple(found)


def patients_of(rows: Iterable[ManifestRow]) -> tuple[Patient, ...]:
    """The patients, by first appearance."""
    first: dict[str, Patient] = {}
    for row in rows:
        first.setdefault(row.patient.patient_id, row.patient)
    return tuple(first.values())


def manifest_columns(manifest: Path) -> tuple[str, ...]:
    """The names of the manifest's columns. DataError if it cannot be read."""
    return tuple(next(_rows(manifest)).values)


def _check_alike(known: Patient, patient: Patient, where: str) -> None:
    """DataError if two rows of a patient differ in outcome or fold."""
    if known.label != patient.label:
        raise DataError(
            f"{where}: the patient has label {patient.label} here and {known.label} above; "
            f"give one outcome a patient"
        )
    if known.fold != patient.fold:
        raise DataError(
            f"{where}: the patient is in two folds, {patient.fold} here and {known.fold} above; "
            f"give one fold a patient"
        )


def _check_cohort(manifest: Path, patients: Collection[Patient]) -> None:
    """DataError if an outcome is missing, or the folds of some patients."""
    labels = {patient.label for patient in patients}
    if len(labels) < 2:
        found = f"only patients with label {labels.pop()}" if labels else "no patients"
        raise DataError(f"{manifest} has {found}; both outcomes, 0 and 1, are needed")
    with_fold = [patient.fold is not None for patient in patients]
    if any(with_fold) and not all(with_fold):
        raise DataError(
            f"{manifest} gives a fold to some patients only; fill the column `fold` or leave it out"
        )


def _rows(manifest: Path) -> Iterator[_Row]:
    if not manifest.is_file():
        raise DataError(
            f"cohort manifest {manifest} does not exist; set cohort.manifest (and data) to where it lies"
        )
    if manifest.suffix == ".parquet":
        try:
            records = pq.read_table(manifest).to_pylist()
        except (pa.ArrowException, OSError) as error:
            problem = " ".join(str(error).split())
            raise DataError(
                f"cohort manifest {manifest} is not a readable Parquet file: {problem}"
            ) from error
        first_row = 1
    else:
        try:
            with manifest.open(newline="", encoding="utf-8-sig") as stream:
                records = list(csv.DictReader(stream, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"cohort manifest {manifest} is not a readable CSV file: {error}") from error
        first_row = 2
    columns = set(records[0]) if records else set()
    missing = [name for name in REQUIRED if name not in columns]
    if not missing and "label" not in columns and not columns.issuperset(LVESV):
        missing = ["label (or lvesv_baseline_ml and lvesv_followup_ml)"]
    if missing:
        raise DataError(
            f"cohort manifest {manifest} has no column {missing[0]}; "
            f"it needs patient_id, recording and an outcome"
        )
    for number, values in enumerate(records, first_row):
        if None in values or None in [values[name] for name in REQUIRED]:
            raise DataError(
                f"{manifest} row {number} does not have as many cells as the header; "
                f"quote cells that hold a comma"
            )
        yield _Row(number=number, values=values)


def _patient(row: _Row, where: str) -> Patient:
    values = row.values
    patient_id = str(values["patient_id"]).strip()
    if not patient_id or not str(values["recording"]).strip():
        raise DataError(f"{where}: patient_id and recording must not be empty")
    fold = values.get("fold")
    return Patient(
        patient_id=patient_id,
        label=_label(values, where),
        fold=None if fold in (None, "") else _fold(fold, where),
        clinical={name: _clinical(value) for name, value in values.items() if name not in NOT_CLINICAL},
    )


def _label(values: dict[str, Any], where: str) -> int:
    if "label" in values:
        text = str(values["label"]).strip()
        if text not in ("0", "1", "0.0", "1.0", "True", "False"):
            raise DataError(
                f"{where}: label {text!r} is neither 0 nor 1; write 1 for responders and 0 for the others"
            )
        return int(text in ("1", "1.0", "True"))
    baseline, followup = (_volume(values[name], name, where) for name in LVESV)
    return int(followup <= (1 - RESPONSE_FALL) * baseline)


def _volume(value: Any, name: str, where: str) -> float:
    number = _clinical(value)
    if not isinstance(number, float) or not 0 < number < float("inf"):
        raise DataError(f"{where}: {name} is {value!r}; give the volume in millilitres, above 0")
    return number


def _fold(value: Any, where: str) -> int:
    number = _clinical(value)
    if not isinstance(number, float) or not number.is_integer():
        raise DataError(f"{where}: fold {value!r} is not a whole number")
    return int(number)


def _clinical(value: Any) -> float | str | None:
    """Numbers as numbers, empty cells as None, everything else as text."""
    if value is None or str(value).strip() == "":
        return None
    try:
        return float(value)
    except ValueError:
        return str(value).strip()
