"""WFDB files <-> Recording. The only importer of wfdb.

Format: https://physionet.org/physiotools/wag/ (header(5), signal(5), annot(5)).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import wfdb

from crtcore.errors import DataError, brief
from crtcore.signal.annotation_file import read_annotation
from crtcore.signal.beats import BEAT_SYMBOLS
from crtcore.signal.recording import BeatAnnotation, FloatArray, IntArray, Recording
from crtcore.signal.units import millivolts_per
from crtcore.signal.wfdb_header import check_header
from crtcore.signal.wfdb_integrity import check_checksums, check_signal_files

_INVALID_SAMPLE: Final = {
    "16": -(2**15),
    "24": -(2**23),
    "32": -(2**31),
    "61": -(2**15),
    "80": -(2**7),
    "160": -(2**15),
    "212": -(2**11),
}
_WIDE_FORMATS: Final = frozenset({"24", "32", "524"})
# What wfdb (and, in FLAC formats, libsndfile: RuntimeError) raises, undocumented, on damaged files.
_WFDB_PARSE_ERRORS: Final = (ValueError, IndexError, KeyError, TypeError, AttributeError, RuntimeError)


def list_records(folder: Path) -> tuple[str, ...]:
    """Names of the records in `folder`: as RECORDS lists them, else every *.hea, sorted."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the folder that holds the WFDB records (*.hea)")
    listing = folder / "RECORDS"
    if listing.is_file():
        names = tuple(line.strip() for line in listing.read_text().splitlines() if line.strip())
    else:
        names = tuple(sorted(path.stem for path in folder.glob("*.hea")))
    if not names:
        raise DataError(
            f"{folder} holds no WFDB records (*.hea): give the folder the database was unpacked into"
        )
    return names


def recording_files(path: Path, *, annotated: bool) -> tuple[Path, ...]:
    """Every file `read_recording` reads: header, signal files, and the annotation if `annotated`.

    DataError if one is missing.
    """
    header = _read_header(path)
    signal_files = tuple(path.parent / name for name in dict.fromkeys(header.file_name))
    annotation = (_annotation_path(path),) if annotated else ()
    for file in (*signal_files, *annotation):
        if not file.is_file():
            raise DataError(f"{file} is missing beside {path.name}.hea: fetch the whole record")
    return (path.with_name(path.name + ".hea"), *signal_files, *annotation)


def read_recording(path: Path, *, patient_id: str | None = None, annotated: bool = False) -> Recording:
    """Read the record at `path` (no suffix) in millivolts, with its beats from .atr if `annotated`.

    Channels whose unit is not a voltage are left out: they are no ECG leads. Samples that the format marks
    as invalid become NaN. Raises DataError for a missing, truncated or damaged file.
    """
    header = _read_header(path)
    check_signal_files(path, header)
    wide = any(fmt in _WIDE_FORMATS for fmt in header.fmt)
    try:
        record = wfdb.rdrecord(str(path), physical=False, return_res=32 if wide else 16)
    except _WFDB_PARSE_ERRORS as error:
        raise DataError(f"{path}: the signal cannot be decoded ({brief(error)}): fetch it again") from error
    check_checksums(path, record)
    leads, signal_CS = _millivolts(path, record, header.units)
    return Recording(
        record_id=path.name,
        patient_id=path.name if patient_id is None else patient_id,
        leads=leads,
        sampling_rate_hz=float(record.fs),
        signal_CS=signal_CS,
        annotation=_read_beats(path, float(record.fs), signal_CS.shape[1]) if annotated else None,
    )


def read_flutter_intervals(path: Path) -> IntArray:
    """Ventricular flutter at `path`, shape (intervals, 2): the samples of each `[` and its `]` in .atr."""
    sample_A, symbol_A = read_annotation(_annotation_path(path), float(_read_header(path).fs))
    start, stop = sample_A[symbol_A == "["], sample_A[symbol_A == "]"]
    if len(start) != len(stop) or np.any(start > stop):
        raise DataError(f"{_annotation_path(path)}: flutter marks [ and ] do not pair up: correct the file")
    return np.stack([start, stop], axis=1)


def write_recording(
    folder: Path, recording: Recording, *, fmt: str, comments: Sequence[str], adc_gain: float = 200
) -> None:
    """Write `recording` as WFDB: .hea, .dat in format `fmt` ("16", "212", ...), and .atr if it has beats.

    Values are rounded to 1/`adc_gain` mV; NaN is stored as the format's invalid sample. Values
    beyond the range of the format are clipped to it.
    """
    bits = {"8": 8, "80": 8, "212": 12, "16": 16, "24": 24, "32": 32}[fmt]
    highest = 2 ** (bits - 1) - 1
    missing_SC = np.isnan(recording.signal_CS.T)
    digital_SC = np.rint(np.nan_to_num(recording.signal_CS.T.astype(np.float64)) * adc_gain)
    digital_SC = np.clip(digital_SC, -highest, highest).astype(np.int64)
    digital_SC[missing_SC] = -highest - 1
    num_leads = len(recording.leads)
    wfdb.wrsamp(
        recording.record_id,
        fs=recording.sampling_rate_hz,
        units=["mV"] * num_leads,
        sig_name=list(recording.leads),
        d_signal=digital_SC,
        fmt=[fmt] * num_leads,
        adc_gain=[adc_gain] * num_leads,
        baseline=[0] * num_leads,
        comments=list(comments),
        write_dir=str(folder),
    )
    if recording.annotation is not None:
        wfdb.wrann(
            recording.record_id,
            "atr",
            recording.annotation.sample_B,
            symbol=[str(symbol) for symbol in recording.annotation.symbol_B],
            write_dir=str(folder),
        )


def _read_header(path: Path) -> Any:
    """wfdb's header record (untyped), single-segment and with at least one signal."""
    header_path = path.with_name(path.name + ".hea")
    if not header_path.is_file():
        raise DataError(
            f"{header_path} is missing: give a record's path without its suffix, or fetch the record"
        )
    units = check_header(header_path)
    try:
        header = wfdb.rdheader(str(path))
    except _WFDB_PARSE_ERRORS as error:
        raise DataError(f"{header_path} is not a WFDB header ({brief(error)}): fetch it again") from error
    if not header.n_sig or not header.file_name or len(header.file_name) != header.n_sig:
        raise DataError(
            f"{header_path} describes no signals or not as many as it says: fetch the record again"
        )
    header.units = list(units)
    return header


def _millivolts(path: Path, record: Any, units: list[str | None]) -> tuple[tuple[str, ...], FloatArray]:
    factor_C = [millivolts_per(unit or "mV") for unit in units]
    voltage = [c for c, factor in enumerate(factor_C) if factor is not None]
    if not voltage:
        raise DataError(
            f"{path}.hea has no signal in volts (units: {', '.join(map(str, units))}): it is no ECG record"
        )
    signal_CS = np.empty((len(voltage), record.d_signal.shape[0]), dtype=np.float32)
    for row, channel in enumerate(voltage):
        digital_S = record.d_signal[:, channel]
        scale = (factor_C[channel] or 1.0) / (record.adc_gain[channel] or 200.0)
        np.subtract(
            digital_S, np.float32(record.baseline[channel] or 0), out=signal_CS[row], dtype=np.float32
        )
        signal_CS[row] *= np.float32(scale)
        invalid = _INVALID_SAMPLE.get(record.fmt[channel])
        if invalid is not None:
            signal_CS[row, digital_S == invalid] = np.nan
    names = record.sig_name or []
    return tuple(names[c] if c < len(names) and names[c] else f"signal {c}" for c in voltage), signal_CS


def _annotation_path(path: Path) -> Path:
    return path.with_name(path.name + ".atr")


def _read_beats(path: Path, sampling_rate_hz: float, num_samples: int) -> BeatAnnotation:
    file = _annotation_path(path)
    sample_A, symbol_A = read_annotation(file, sampling_rate_hz)
    if len(sample_A) and (
        sample_A.min() < 0 or sample_A.max() >= num_samples or np.diff(sample_A).min(initial=0) < 0
    ):
        raise DataError(
            f"{file} does not fit {path}.hea (times beyond the signal or out of order): fetch both again"
        )
    beat_A = np.isin(symbol_A, sorted(BEAT_SYMBOLS))
    return BeatAnnotation(sample_B=sample_A[beat_A], symbol_B=symbol_A[beat_A])
