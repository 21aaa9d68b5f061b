"""The cohort's patients and recordings as the manifest lists them (CSV or Parquet, one row per recording).

No recording is opened here.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from crtcore.config import Experiment
from crtcore.data.manifest_table import Cell, TableRow, is_missing, number_of, read_rows
from crtcore.errors import DataError

REQUIRED: Final = ("patient_id", "recording")
LVESV: Final = ("lvesv_baseline_ml", "lvesv_followup_ml")
RESPONSE_FALL: Final = Fraction(15, 100)
"""LVESV falls by 15 % or more: the volumetric definition of response (He et al. 2023)."""
NOT_CLINICAL: Final = (*REQUIRED, *LVESV, "label", "fold")
_LABELS: Final = {"0": 0, "0.0": 0, "False": 0, "1": 1, "1.0": 1, "True": 1}
_MAX_NAME: Final = 255  # bytes: what file systems allow for one part of a path
_MAX_DIGITS: Final = 40


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One patient: outcome, fold if the manifest gives one, and clinical values by column.

    A clinical value is a number, text, or None where it is missing.
    """

    patient_id: str
    label: int
    fold: int | None = None
    clinical: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """A recording and its patient; `where` names the manifest and the row's number, for messages."""

    where: str
    number: int
    recording: str
    patient: Patient


def read_manifest(experiment: Experiment) -> tuple[ManifestRow, ...]:
    """The manifest's rows, only those of `cohort.patients` where that is set, without
    `cohort.exclude_patients`.

    Raises DataError that names the row: a missing column, a label that is not 0 or 1 or contradicts the
    LVESV columns, a patient with two labels or two folds, a recording listed twice. Also if a patient of
    `cohort.patients` or `cohort.exclude_patients` is absent, or if all patients have the same outcome.
    """
    manifest = experiment.manifest_path
    rows = read_rows(manifest)
    _check_required(manifest, rows[0].cells)
    wanted = None if experiment.cohort.patients is None else set(experiment.cohort.patients)
    excluded = set(experiment.cohort.exclude_patients)
    missed = set(excluded)
    found: list[ManifestRow] = []
    first: dict[str, Patient] = {}
    listed: dict[str, int] = {}
    for row in rows:
        where = f"{manifest} row {row.number}"
        patient = _patient(row, where)
        missed.discard(patient.patient_id)
        if patient.patient_id in excluded or (wanted is not None and patient.patient_id not in wanted):
            continue
        _check_alike(first.setdefault(patient.patient_id, patient), patient, where)
        recording = str(row.cells["recording"])
        if recording in listed:
            raise DataError(
                f"{where}: recording {recording!r} is listed twice, here and in row {listed[recording]}; "
                "remove one of the rows"
            )
        listed[recording] = row.number
        found.append(ManifestRow(where=where, number=row.number, recording=recording, patient=patient))
    if missed:
        raise DataError(
            f"{manifest} has no patient {min(missed)}; take that name out of cohort.exclude_patients"
        )
    absent = (wanted or set()) - excluded - first.keys()
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
    return tuple(read_rows(manifest)[0].cells)


def _check_required(manifest: Path, columns: Collection[str]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    if not missing and "label" not in columns and not set(LVESV) <= set(columns):
        missing = ["label (or lvesv_baseline_ml and lvesv_followup_ml)"]
    if missing:
        raise DataError(
            f"cohort manifest {manifest} has no column {missing[0]}; "
            f"it needs patient_id, recording and an outcome"
        )


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


def _patient(row: TableRow, where: str) -> Patient:
    cells = row.cells
    for name in REQUIRED:
        _check_name(cells[name], name, where)
    return Patient(
        patient_id=str(cells["patient_id"]),
        label=_label(cells, where),
        fold=_fold(cells.get("fold"), where),
        clinical={
            name: _clinical(cell, name, where) for name, cell in cells.items() if name not in NOT_CLINICAL
        },
    )


def _check_name(cell: Cell, name: str, where: str) -> None:
    """DataError unless the cell can name a patient or a file."""
    if is_missing(cell):
        raise DataError(f"{where}: {name} must not be empty or a sign for a missing value; fill it in")
    text = str(cell)
    if not text.isprintable():
        raise DataError(f"{where}: {name} holds a control character; remove it")
    if any(len(part.encode()) > _MAX_NAME for part in text.split("/")):
        raise DataError(f"{where}: {name} is longer than {_MAX_NAME} bytes; shorten it")


def _label(cells: Mapping[str, Cell], where: str) -> int:
    if "label" not in cells:
        return _response(*(_volume(cells[name], name, where) for name in LVESV))
    text = str(cells["label"])
    if text not in _LABELS:
        raise DataError(
            f"{where}: label {text[:40]!r} is neither 0 nor 1; write 1 for responders and 0 for the others"
        )
    label = _LABELS[text]
    volumes = [_volume(cells.get(name), name, where) for name in LVESV if not is_missing(cells.get(name))]
    if len(volumes) == len(LVESV) and _response(*volumes) != label:
        raise DataError(
            f"{where}: label {label} contradicts the volumes ({LVESV[0]} {cells[LVESV[0]]}, {LVESV[1]} "
            f"{cells[LVESV[1]]}: label {1 - label}); correct the row, or rename these two columns if label "
            "1 means something else"
        )
    return label


def _response(baseline: Fraction, followup: Fraction) -> int:
    """1 for a fall of LVESV by 15 % or more, compared in exact decimals."""
    return int(followup <= (1 - RESPONSE_FALL) * baseline)


def _volume(cell: Cell, name: str, where: str) -> Fraction:
    number = None if isinstance(cell, bool) else number_of(cell)
    text = str(cell)
    if number is None or not 0 < number < float("inf") or len(text) > _MAX_DIGITS:
        raise DataError(f"{where}: {name} is {text[:_MAX_DIGITS]!r}; give the volume in millilitres, above 0")
    return Fraction(text)


def _fold(cell: Cell, where: str) -> int | None:
    if is_missing(cell):
        return None
    number = number_of(cell)
    if number is None or not number.is_integer() or abs(number) >= 2**31:
        raise DataError(f"{where}: fold {str(cell)[:_MAX_DIGITS]!r} is not a whole number of normal size")
    return int(number)


def _clinical(cell: Cell, name: str, where: str) -> float | str | None:
    """Numbers as numbers, missing values as None, everything else as text."""
    if is_missing(cell):
        return None
    number = number_of(cell)
    if number is None:
        return str(cell)
    if abs(number) == float("inf"):
        raise DataError(f"{where}: {name} is {str(cell)[:_MAX_DIGITS]!r}; give a number, or leave it empty")
    return number
