"""WFDB records, tables and arrays, read again by wfdb, pandas and NumPy."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import wfdb

from benchmarks.fuzzing.kinds import Independent, Kind, recording_kind
from benchmarks.fuzzing.mutations import bytes_damaged, either
from crtcore.signal.formats import read_any
from crtcore.signal.recording import BeatAnnotation, FloatArray, Recording
from crtcore.signal.units import millivolts_per
from crtcore.signal.wfdb_reader import write_recording

RATE_HZ: Final = 250
LEADS: Final = ("I", "II", "V1")


def example_signal() -> FloatArray:
    """Three leads of 6 s: smooth noise of about 0.5 mV."""
    noise_CS = np.random.default_rng(0).normal(size=(len(LEADS), 6 * RATE_HZ))
    smooth_CS = np.apply_along_axis(lambda lead_S: np.convolve(lead_S, np.ones(9) / 9, "same"), 1, noise_CS)
    return np.round(smooth_CS, 3).astype(np.float32)


def recording_kinds() -> tuple[Kind, ...]:
    """The formats that need no optional package."""
    return (
        recording_kind("wfdb header", _write_wfdb, either, _wfdb),
        recording_kind("wfdb signal", _write_wfdb_signal, bytes_damaged, _wfdb),
        Kind(
            name="annotation",
            write=lambda folder: _write_wfdb(folder).with_suffix(".atr"),
            damage=bytes_damaged,
            read=lambda path: read_any(path.with_suffix(""), annotated=True),
            disagreement=_annotations_differ,
        ),
        recording_kind("table csv", _write_csv, either, _csv),
        recording_kind("table parquet", _write_parquet, bytes_damaged, _parquet),
        replace(
            recording_kind("side file", _write_side_file, either, _parquet),
            read=lambda path: read_any(path.with_suffix(".parquet")),
        ),
        recording_kind("npz", _write_npz, bytes_damaged, _npz),
    )


def _write_wfdb(folder: Path) -> Path:
    beats = BeatAnnotation(sample_B=np.array([200, 500, 800]), symbol_B=np.array(["N", "V", "N"]))
    recording = Recording(
        record_id="r",
        patient_id="r",
        leads=LEADS,
        sampling_rate_hz=RATE_HZ,
        signal_CS=example_signal(),
        annotation=beats,
    )
    write_recording(folder, recording, fmt="16", comments=(), adc_gain=1000)
    return folder / "r.hea"


def _write_wfdb_signal(folder: Path) -> Path:
    """Without checksums, so that damage to samples is not found at once."""
    header = _write_wfdb(folder)
    first, *signals = header.read_text().splitlines()
    bare = [" ".join((*line.split()[:5], line.split()[-1])) for line in signals]
    header.write_text("\n".join([first, *bare]) + "\n")
    return header.with_suffix(".dat")


def _wfdb(path: Path) -> Independent:
    """wfdb's samples; rate and gains also from the header's own words."""
    record: Any = wfdb.rdrecord(str(path.with_suffix("")), return_res=64)
    lines = [line.strip() for line in path.with_suffix(".hea").read_text(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    rate_hz = float(lines[0].split()[2].split("/")[0])
    signal_CS = record.p_signal.T
    rows, names = [], []
    for channel, line in enumerate(lines[1 : 1 + record.n_sig]):
        fields = line.split()
        unit = fields[2].partition("/")[2] if len(fields) > 2 else ""
        factor = millivolts_per(unit or "mV")
        if factor is None:
            continue
        gain = float(fields[2].split("/")[0].split("(")[0]) if len(fields) > 2 else 200.0
        sign = -1.0 if (gain < 0) != (record.adc_gain[channel] < 0) else 1.0
        rows.append(sign * factor * signal_CS[channel])
        names.append(record.sig_name[channel] or f"signal {channel}")
    return Independent(leads=tuple(names), rate_hz=rate_hz, signal_CS=np.array(rows))


def _annotations_differ(path: Path, mine: Recording) -> str | None:
    assert mine.annotation is not None
    theirs: Any = wfdb.rdann(str(path.with_suffix("")), "atr")
    beats = [
        (int(sample), symbol)
        for sample, symbol in zip(theirs.sample, theirs.symbol, strict=True)
        if symbol in set("NLRBAaJSVrFejnE/fQ?")
    ]
    ours = list(zip(mine.annotation.sample_B.tolist(), mine.annotation.symbol_B.tolist(), strict=True))
    return None if ours == beats else f"beats {ours[:5]} and {beats[:5]}"


def _write_csv(folder: Path) -> Path:
    signal_CS = example_signal()[:, :500]
    rows = (f"{i / RATE_HZ:.3f}," + ",".join(f"{v:.3f}" for v in row) for i, row in enumerate(signal_CS.T))
    (folder / "r.csv").write_text("\n".join([",".join(["time_s", *LEADS]), *rows]) + "\n")
    return folder / "r.csv"


def _write_parquet(folder: Path) -> Path:
    pq.write_table(pa.table(dict(zip(LEADS, example_signal(), strict=True))), folder / "r.parquet")
    side = {"sampling_rate_hz": RATE_HZ, "unit": "mV", "leads": LEADS}
    (folder / "r.json").write_text(json.dumps(side))
    return folder / "r.parquet"


def _write_side_file(folder: Path) -> Path:
    return _write_parquet(folder).with_suffix(".json")


def _write_npz(folder: Path) -> Path:
    np.savez(folder / "r.npz", signal=example_signal(), sampling_rate_hz=RATE_HZ, leads=list(LEADS))
    return folder / "r.npz"


def _csv(path: Path) -> Independent:
    frame = pd.read_csv(path, skip_blank_lines=False, encoding="utf-8-sig", skipinitialspace=True)
    frame.columns = [str(name).strip() for name in frame.columns]
    return _framed(frame, None)


def _parquet(path: Path) -> Independent:
    side = json.loads(path.with_suffix(".json").read_text())
    frame = pd.DataFrame(pq.read_table(path.with_suffix(".parquet")).to_pydict())
    found = _framed(frame, side.get("sampling_rate_hz"))
    leads = tuple(side["leads"]) if side.get("leads") is not None else found.leads
    factor = millivolts_per(side.get("unit", "mV"))
    assert factor is not None
    signal_CS = found.signal_CS * factor
    if len(leads) < len(found.leads):  # the side file chooses columns
        signal_CS = signal_CS[[found.leads.index(name) for name in leads]]
    return Independent(leads=leads, rate_hz=found.rate_hz, signal_CS=signal_CS)


def _framed(frame: pd.DataFrame, rate_hz: float | None) -> Independent:
    if frame.columns[0] == "time_s":
        times = frame.pop("time_s").to_numpy(dtype=np.float64)
        rate_hz = (len(times) - 1) / (times[-1] - times[0]) if rate_hz is None else rate_hz
    assert rate_hz is not None
    signal_CS = frame.to_numpy(dtype=np.float64).T
    return Independent(leads=tuple(map(str, frame.columns)), rate_hz=rate_hz, signal_CS=signal_CS)


def _npz(path: Path) -> Independent:
    with np.load(path) as arrays:
        unit = str(arrays["unit"]) if "unit" in arrays else "mV"
        factor = millivolts_per(unit)
        assert factor is not None
        return Independent(
            leads=tuple(map(str, arrays["leads"].ravel())),
            rate_hz=float(arrays["sampling_rate_hz"].item()),
            signal_CS=arrays["signal"].astype(np.float64) * factor,
        )
