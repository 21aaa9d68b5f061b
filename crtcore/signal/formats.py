"""An ECG file in any known format -> Recording; the suffix says which format."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from crtcore.errors import DataError
from crtcore.signal.amplitude import check_amplitude
from crtcore.signal.dicom_reader import read_dicom
from crtcore.signal.edf_reader import read_edf
from crtcore.signal.leads import is_lead_name, normalise_lead
from crtcore.signal.numpy_reader import read_npy, read_npz
from crtcore.signal.plain_signal import check_sampling_rate, read_side_file, side_file_path
from crtcore.signal.recording import Recording
from crtcore.signal.tabular_reader import read_csv, read_parquet
from crtcore.signal.wfdb_reader import read_recording, recording_files

READERS: Final[dict[str, Callable[[Path], Recording]]] = {
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".npy": read_npy,
    ".npz": read_npz,
    ".edf": read_edf,
    ".dcm": read_dicom,
}
TABLES: Final = (".csv", ".parquet")
WITH_SIDE_FILE: Final = (".csv", ".parquet", ".npy")
WFDB_SUFFIXES: Final = ("", ".hea", ".dat", ".mat")


def read_any(path: Path, *, patient_id: str | None = None, annotated: bool = False) -> Recording:
    """The recording at `path` in millivolts, its leads in canonical spelling.

    No suffix, .hea, .dat and .mat are WFDB; the others are the keys of `READERS`. `patient_id` defaults to
    the record's name. Only WFDB carries beat annotations (`annotated`). Raises DataError that names the file
    and the remedy, also for a lead of more than 100 mV.
    """
    record = _wfdb_record(path)
    if record is not None:
        recording = read_recording(record, annotated=annotated)
    else:
        recording = _reader(path, annotated=annotated)(path)
    check_sampling_rate(path, recording.sampling_rate_hz)
    if recording.signal_CS.size == 0:
        raise DataError(f"{path} holds no samples; remove it or export it again")
    infinite = np.argwhere(np.isinf(recording.signal_CS))
    if len(infinite):
        channel, sample = infinite[0]
        raise DataError(
            f"{path}: lead {recording.leads[channel]} is infinite at sample {sample}; "
            f"leave missing samples empty (NaN)"
        )
    leads = tuple(normalise_lead(name) for name in recording.leads)
    known = [row for row, name in enumerate(leads) if is_lead_name(name)]
    check_amplitude(str(path), [leads[row] for row in known], recording.signal_CS[known])
    return replace(
        recording,
        patient_id=recording.patient_id if patient_id is None else patient_id,
        leads=leads,
    )


def lead_names(path: Path) -> tuple[str, ...]:
    """The leads of the recording at `path`, for a cohort whose config names none.

    DataError for a table with a column that is no lead's name, unless its side file names the leads: a column
    of times or row numbers would become a lead.
    """
    leads = read_any(path).leads
    strange = [name for name in leads if not is_lead_name(name)]
    if strange and path.suffix.lower() in TABLES and read_side_file(path).leads is None:
        raise DataError(
            f"{path}: column {strange[0]!r} is no known lead; set cohort.leads, or name the leads in "
            f"{side_file_path(path).name} beside it, so that the other columns are left out"
        )
    return leads


def files_of(path: Path, *, annotated: bool) -> tuple[Path, ...]:
    """Every file `read_any` reads, the side file if there is one: what a content hash must cover."""
    record = _wfdb_record(path)
    if record is not None:
        return recording_files(record, annotated=annotated)
    _reader(path, annotated=annotated)
    side_file = side_file_path(path)
    return (path, side_file) if path.suffix.lower() in WITH_SIDE_FILE and side_file.is_file() else (path,)


def _wfdb_record(path: Path) -> Path | None:
    """The record's path as wfdb wants it, None where `path` is no WFDB record (whose name holds no dot)."""
    return path.with_suffix("") if path.suffix.lower() in WFDB_SUFFIXES else None


def _reader(path: Path, *, annotated: bool) -> Callable[[Path], Recording]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path} is in no known format; convert it to WFDB (a .hea header) or one of {', '.join(READERS)}"
        )
    if annotated:
        raise DataError(f"{path} carries no beat annotations: only WFDB records (.hea with .atr) do")
    if not path.is_file():
        raise DataError(f"{path} does not exist: correct the path or fetch the recording")
    return reader
