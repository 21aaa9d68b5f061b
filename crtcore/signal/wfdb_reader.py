"""WFDB files <-> Recording. The only importer of wfdb.

Format: https://physionet.org/physiotools/wag/ (header(5), signal(5), annot(5)).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import wfdb

from crtcore.errors import DataError
from crtcore.signal.beats import BEAT_SYMBOLS
from crtcore.signal.recording import BeatAnnotation, FloatArray, IntArray, Recording

_MILLIVOLTS: Final = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
_BYTES_PER_SAMPLE: Final = {
    "8": 1.0,
    "16": 2.0,
    "24": 3.0,
    "32": 4.0,
    "61": 2.0,
    "80": 1.0,
    "160": 2.0,
    "212": 1.5,
}
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
# What wfdb raises, undocumented, on headers and annotation files that are not what they should be.
_WFDB_PARSE_ERRORS: Final = (ValueError, IndexError, KeyError, TypeError, AttributeError)


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
    """Every file `read_recording` reads: the header, the signal files it names, the annotation if `annotated`."""
    header = _read_header(path)
    signal_files = tuple(path.parent / name for name in dict.fromkeys(header.file_name))
    annotation = (path.with_name(path.name + ".atr"),) if annotated else ()
    return (path.with_name(path.name + ".hea"), *signal_files, *annotation)


def read_recording(path: Path, *, patient_id: str | None = None, annotated: bool = False) -> Recording:
    """Read the record at `path` (no suffix) in millivolts, with its beats from .atr if `annotated`.

    Channels whose unit is not a voltage are no ECG leads and are left out. Samples the format marks invalid
    become NaN. Raises DataError for a missing, truncated or damaged file.
    """
    header = _read_header(path)
    _check_signal_files(path, header)
    wide = any(fmt in _WIDE_FORMATS for fmt in header.fmt)
    try:
        record = wfdb.rdrecord(str(path), physical=False, return_res=32 if wide else 16)
    except _WFDB_PARSE_ERRORS as error:
        raise DataError(f"{path}: the signal cannot be decoded ({error}): fetch the record again") from error
    _check_checksums(path, record)
    leads, signal_CS = _millivolts(path, record)
    num_samples = signal_CS.shape[1]
    return Recording(
        record_id=path.name,
        patient_id=path.name if patient_id is None else patient_id,
        leads=leads,
        sampling_rate_hz=float(record.fs),
        signal_CS=signal_CS,
        annotation=_read_beats(path, num_samples) if annotated else None,
    )


def read_flutter_intervals(path: Path) -> IntArray:
    """Ventricular flutter of the record at `path`, shape (intervals, 2): samples of each `[` and its `]` in .atr."""
    annotation = _read_annotation(path)
    symbol = np.array(annotation.symbol)
    start, stop = annotation.sample[symbol == "["], annotation.sample[symbol == "]"]
    if len(start) != len(stop) or not np.all(start <= stop):
        raise DataError(
            f"{path}.atr: flutter marks [ and ] do not pair up: fetch or correct the annotation file"
        )
    return np.stack([start, stop], axis=1).astype(np.int64)


def write_recording(
    folder: Path, recording: Recording, *, fmt: str, comments: Sequence[str], adc_gain: float = 200
) -> None:
    """Write `recording` to `folder` as WFDB: .hea, .dat in format `fmt` ("16", "212", ...), and .atr if it has beats.

    Values are rounded to 1/`adc_gain` mV; NaN is stored as the format's invalid sample. What the format
    cannot hold is clipped to its range.
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
    try:
        header = wfdb.rdheader(str(path))
    except _WFDB_PARSE_ERRORS as error:
        raise DataError(f"{header_path} is not a WFDB header ({error}): fetch the record again") from error
    if isinstance(header, wfdb.MultiRecord):
        raise DataError(
            f"{header_path} is a multi-segment record: join it into one segment first (wfdb's `xform`)"
        )
    if not header.n_sig or not header.file_name or len(header.file_name) != header.n_sig:
        raise DataError(
            f"{header_path} describes no signals or not as many as it says: fetch the record again"
        )
    if not header.fs or not header.fs > 0:
        raise DataError(f"{header_path} gives a sampling rate of {header.fs}: correct the header")
    return header


def _check_signal_files(path: Path, header: Any) -> None:
    """wfdb reads short files with a reshape error or not at all: compare sizes with the header first."""
    for name in dict.fromkeys(header.file_name):
        file = path.parent / name
        if not file.is_file():
            raise DataError(f"{file} is missing though {path.name}.hea names it: fetch the record again")
        channels = [c for c in range(header.n_sig) if header.file_name[c] == name]
        fmt = header.fmt[channels[0]]
        if fmt not in _BYTES_PER_SAMPLE or not header.sig_len:
            continue
        samples_per_frame = sum(header.samps_per_frame[c] or 1 for c in channels)
        needed = int(header.sig_len * samples_per_frame * _BYTES_PER_SAMPLE[fmt]) + (
            header.byte_offset[channels[0]] or 0
        )
        if file.stat().st_size < needed:
            raise DataError(
                f"{file} is truncated: {file.stat().st_size} bytes where {path.name}.hea promises {needed}; fetch it again"
            )


def _check_checksums(path: Path, record: Any) -> None:
    """Compare each signal's 16-bit checksum with the header's, where it has one and no frames were averaged."""
    if record.checksum is None or any((n or 1) != 1 for n in record.samps_per_frame):
        return
    total_C = record.d_signal.sum(axis=0, dtype=np.int64)
    for channel, checksum in enumerate(record.checksum):
        if checksum is not None and (int(total_C[channel]) - checksum) % 65536:
            raise DataError(
                f"{path.parent / record.file_name[channel]} is damaged: signal {channel} does not match the checksum in "
                f"{path.name}.hea; fetch the record again"
            )


def _millivolts(path: Path, record: Any) -> tuple[tuple[str, ...], FloatArray]:
    factor_C = [_MILLIVOLTS.get((unit or "mV").strip().lower()) for unit in record.units]
    voltage = [c for c, factor in enumerate(factor_C) if factor is not None]
    if not voltage:
        raise DataError(
            f"{path}.hea has no signal in volts (units: {', '.join(record.units)}): it is not an ECG record"
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


def _read_annotation(path: Path) -> Any:
    file = path.with_name(path.name + ".atr")
    if not file.is_file():
        raise DataError(
            f"{file} is missing: an annotated database needs a reference annotation for every record"
        )
    if not file.read_bytes().endswith(b"\0\0"):
        raise DataError(f"{file} is truncated (no end mark): fetch it again")
    try:
        return wfdb.rdann(str(path), "atr")
    except _WFDB_PARSE_ERRORS as error:
        raise DataError(f"{file} is not a WFDB annotation file ({error}): fetch it again") from error


def _read_beats(path: Path, num_samples: int) -> BeatAnnotation:
    annotation = _read_annotation(path)
    sample_A = np.asarray(annotation.sample, dtype=np.int64)
    if len(sample_A) and (sample_A[0] < 0 or sample_A[-1] >= num_samples or np.any(np.diff(sample_A) < 0)):
        raise DataError(
            f"{path}.atr does not fit the recording (times outside it or out of order): fetch both again"
        )
    symbol_A = np.array(annotation.symbol, dtype=np.str_)
    beat_A = np.isin(symbol_A, sorted(BEAT_SYMBOLS))
    return BeatAnnotation(sample_B=sample_A[beat_A], symbol_B=symbol_A[beat_A].astype("<U1"))
