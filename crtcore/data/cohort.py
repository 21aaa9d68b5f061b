"""The patient manifest (CSV or Parquet, one row per recording) -> patients and their recordings."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crtcore.config import Experiment
from crtcore.data.sources import Patient, Source, content_hash
from crtcore.errors import DataError
from crtcore.signal.formats import read_any
from crtcore.signal.leads import normalise_lead

REQUIRED = ("patient_id", "recording")
LVESV = ("lvesv_baseline_ml", "lvesv_followup_ml")
RESPONSE_FALL = 0.15  # LVESV falls by 15 % or more: the volumetric definition of response (He et al. 2023)
NOT_CLINICAL = (*REQUIRED, *LVESV, "label", "fold")


@dataclass(frozen=True, kw_only=True)
class _Row:
    number: int  # as an editor shows it: the header of a CSV is row 1
    values: dict[str, Any]


def cohort_sources(experiment: Experiment) -> tuple[tuple[Source, ...], tuple[Patient, ...], tuple[str, ...]]:
    """The cohort's recordings (in manifest order), its patients (by first appearance) and the leads to use.

    Raises DataError naming the manifest's row for a missing column or record, a label that is neither 0 nor
    1, a patient with two labels or two folds, a recording listed twice, for a patient of `cohort.patients`
    who is not there, and for a cohort with one class only.
    """
    manifest = experiment.manifest_path
    wanted = None if experiment.cohort.patients is None else set(experiment.cohort.patients)
    sources: dict[str, Source] = {}
    patients: dict[str, Patient] = {}
    for row in _rows(manifest):
        where = f"{manifest} row {row.number}"
        patient = _patient(row, where)
        if wanted is not None and patient.patient_id not in wanted:
            continue
        known = patients.setdefault(patient.patient_id, patient)
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
        name = str(row.values["recording"])
        if name in sources:
            raise DataError(f"{where}: recording {name!r} is listed twice; remove one of the rows")
        path = manifest.parent / name
        try:
            sha256 = content_hash(path, annotated=False)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        sources[name] = Source(
            record_id=name, patient_id=patient.patient_id, path=path, label=patient.label, sha256=sha256
        )
    absent = (wanted or set()) - patients.keys()
    if absent:
        raise DataError(f"{manifest} has no patient {min(absent)}; take that name out of cohort.patients")
    labels = {patient.label for patient in patients.values()}
    if len(labels) < 2:
        found = f"only patients with label {labels.pop()}" if labels else "no patients"
        raise DataError(f"{manifest} has {found}; both outcomes, 0 and 1, are needed")
    with_fold = [patient.fold is not None for patient in patients.values()]
    if any(with_fold) and not all(with_fold):
        raise DataError(
            f"{manifest} gives a fold to some patients only; fill the column `fold` or leave it out"
        )
    first = next(iter(sources.values()))
    leads = experiment.cohort.leads or read_any(first.path).leads
    return tuple(sources.values()), tuple(patients.values()), tuple(map(normalise_lead, leads))


def manifest_columns(manifest: Path) -> tuple[str, ...]:
    """The names of the manifest's columns. DataError if it cannot be read."""
    return tuple(next(_rows(manifest)).values)


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
