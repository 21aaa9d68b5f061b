import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from crtcore.errors import DataError
from crtcore.signal.formats import READERS, files_of, lead_names, read_any
from crtcore.signal.recording import BeatAnnotation, Recording
from crtcore.signal.wfdb_reader import write_recording

LEADS = ("I", "II", "AVR")
SIGNAL_CS = np.round(np.random.default_rng(0).normal(0, 0.5, (3, 1000)), 3)
INFINITE_CS = SIGNAL_CS.copy()
INFINITE_CS[2, 7] = -np.inf
SIDE = {"sampling_rate_hz": 500.0, "leads": LEADS}


def write_wfdb(folder: Path, name: str = "r") -> Path:
    recording = Recording(
        record_id=name,
        patient_id=name,
        leads=LEADS,
        sampling_rate_hz=500.0,
        signal_CS=SIGNAL_CS.astype(np.float32),
        annotation=BeatAnnotation(sample_B=np.array([10, 500]), symbol_B=np.array(["N", "V"])),
    )
    write_recording(folder, recording, fmt="16", comments=(), adc_gain=1000)
    return folder / name


def write_challenge(folder: Path) -> Path:
    """A record as in the PhysioNet/CinC challenges: a MATLAB 4 file read as format 16 from byte 24 on."""
    digital_CS = np.rint(SIGNAL_CS * 1000).astype(np.int16)
    savemat(folder / "r.mat", {"val": digital_CS}, format="4")
    assert (folder / "r.mat").stat().st_size == 24 + digital_CS.nbytes
    lines = [
        f"r.mat 16+24 1000/mV 16 0 {lead_S[0]} {lead_S.sum(dtype=np.int16)} 0 {lead}"
        for lead, lead_S in zip(LEADS, digital_CS, strict=True)
    ]
    (folder / "r.hea").write_text("\n".join(["r 3 500 1000", *lines]) + "\n")
    return folder / "r.mat"


def write_csv(folder: Path) -> Path:
    rows = [",".join(map(repr, [i / 500, *map(float, row)])) for i, row in enumerate(SIGNAL_CS.T)]
    (folder / "r.csv").write_text("\n".join(["time_s," + ",".join(LEADS), *rows]))
    return folder / "r.csv"


def write_parquet(folder: Path) -> Path:
    pq.write_table(pa.table(dict(zip(LEADS, SIGNAL_CS, strict=True))), folder / "r.parquet")
    (folder / "r.json").write_text(json.dumps(SIDE))
    return folder / "r.parquet"


def write_npy(folder: Path) -> Path:
    np.save(folder / "r.npy", SIGNAL_CS)
    (folder / "r.json").write_text(json.dumps(SIDE))
    return folder / "r.npy"


def write_npz(folder: Path) -> Path:
    np.savez(folder / "r.npz", signal=SIGNAL_CS, sampling_rate_hz=500.0, leads=LEADS)
    return folder / "r.npz"


def write_edf(folder: Path) -> Path:
    edfio = pytest.importorskip("edfio")
    signals = [
        edfio.EdfSignal(
            lead_S, 500, label=f"ECG {lead}", physical_dimension="mV", physical_range=(-32.768, 32.767)
        )
        for lead, lead_S in zip(LEADS, SIGNAL_CS, strict=True)
    ]
    edfio.Edf(signals).write(folder / "R.EDF")
    return folder / "R.EDF"


def write_header(folder: Path) -> Path:
    return write_wfdb(folder).with_suffix(".hea")


@pytest.mark.parametrize(
    ("write", "files"),
    [
        (write_wfdb, ("r.hea", "r.dat")),
        (write_header, ("r.hea", "r.dat")),
        (write_challenge, ("r.hea", "r.mat")),
        (write_csv, ("r.csv",)),
        (write_parquet, ("r.parquet", "r.json")),
        (write_npy, ("r.npy", "r.json")),
        (write_npz, ("r.npz",)),
        (write_edf, ("R.EDF",)),
    ],
)
def test_every_format_gives_the_same_recording(
    tmp_path: Path, write: Callable[[Path], Path], files: tuple[str, ...]
) -> None:
    path = write(tmp_path)
    recording = read_any(path, patient_id="p7")
    assert (recording.record_id.lower(), recording.patient_id) == ("r", "p7")
    assert (recording.leads, recording.sampling_rate_hz) == (("I", "II", "aVR"), 500.0)
    assert recording.signal_CS.dtype == np.float32
    np.testing.assert_allclose(recording.signal_CS, SIGNAL_CS, atol=5.1e-4)
    assert files_of(path, annotated=False) == tuple(tmp_path / name for name in files)
    assert read_any(path).patient_id == recording.record_id


def test_beats_come_from_wfdb_only(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path)
    annotation = read_any(path.with_suffix(".hea"), annotated=True).annotation
    assert annotation is not None and annotation.symbol_B.tolist() == ["N", "V"]
    assert files_of(path, annotated=True)[-1] == tmp_path / "r.atr"
    for function in (read_any, files_of):
        with pytest.raises(DataError, match=r"r\.npz carries no beat annotations"):
            function(write_npz(tmp_path), annotated=True)


@pytest.mark.parametrize("name", ["r.xml", "r.tar.gz"])
def test_unknown_formats_are_named_with_the_known_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("?")
    for function in (read_any, files_of):
        with pytest.raises(DataError, match=r"in no known format.*\.csv"):
            function(tmp_path / name, annotated=False)


@pytest.mark.parametrize("name", ["r", "r.mat", *[f"r{suffix}" for suffix in READERS]])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    for function in (read_any, files_of):
        with pytest.raises(DataError, match=r"r(\.\w+)? (is missing|does not exist)"):
            function(tmp_path / name, annotated=False)


@pytest.mark.parametrize(
    ("signal_CS", "rate_hz", "message"),
    [
        (SIGNAL_CS, 5.0, "sampling rate of 5 Hz, outside 50 to 20000"),
        (SIGNAL_CS, 1e6, "sampling rate of 1e"),
        (SIGNAL_CS, float("nan"), "sampling rate of nan"),
        (SIGNAL_CS[:, :0], 500.0, "holds no samples"),
        (INFINITE_CS, 500.0, "lead AVR is infinite at sample 7"),
    ],
)
def test_what_no_ecg_can_be_is_refused(
    tmp_path: Path, signal_CS: np.ndarray, rate_hz: float, message: str
) -> None:
    np.savez(tmp_path / "r.npz", signal=signal_CS, sampling_rate_hz=rate_hz, leads=LEADS)
    with pytest.raises(DataError, match=rf"r\.npz.*{message}"):
        read_any(tmp_path / "r.npz")


def test_an_empty_npy_or_table_holds_no_samples(tmp_path: Path) -> None:
    np.save(tmp_path / "r.npy", SIGNAL_CS[:, :0])
    (tmp_path / "r.csv").write_text(",".join(LEADS) + "\n")
    (tmp_path / "r.json").write_text(json.dumps(SIDE))
    for name in ("r.npy", "r.csv"):
        with pytest.raises(DataError, match="holds no samples"):
            read_any(tmp_path / name)


@pytest.mark.realdata
def test_real_wfdb_records_come_in_canonical_leads(data_dir: Path) -> None:
    path = min((data_dir / "ptbxl500").rglob("*.hea"))
    recording = read_any(path)
    assert recording.leads == ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    assert read_any(data_dir / "mitdb" / "100", annotated=True).leads == ("MLII", "V5")


def test_the_leads_of_a_table_are_named_by_its_header_or_its_side_file(tmp_path: Path) -> None:
    assert lead_names(write_csv(tmp_path)) == ("I", "II", "aVR")
    path = tmp_path / "t.csv"
    path.write_text("time,I,II\n0,1,2\n0.002,3,4\n")
    (tmp_path / "t.json").write_text('{"sampling_rate_hz": 500}')
    with pytest.raises(DataError, match=r"t\.csv: column 'TIME' is no known lead; set cohort.leads, or name"):
        lead_names(path)
    (tmp_path / "t.json").write_text('{"sampling_rate_hz": 500, "leads": ["I", "II"]}')
    assert lead_names(path) == ("I", "II")


def test_counts_without_a_unit_are_refused_as_millivolts(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("index,II\n0,0\n1,1371\n")
    (tmp_path / "t.json").write_text('{"sampling_rate_hz": 500}')
    with pytest.raises(DataError, match=r"t\.csv: lead II spans 1,371 mV"):
        read_any(path)
    (tmp_path / "t.json").write_text('{"sampling_rate_hz": 500, "unit": "uV"}')
    np.testing.assert_allclose(read_any(path).signal_CS[1], [0, 1.371], rtol=1e-6)


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_a_header_without_its_signal_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    path = write_wfdb(tmp_path)
    path.with_suffix(".dat").unlink()
    for read in (read_any, lambda each: files_of(each, annotated=False)):
        with pytest.raises(DataError, match=r"r\.dat is missing"):
            read(path.with_name(f"r{suffix}"))


def test_a_missing_annotation_is_named(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path)
    path.with_suffix(".atr").unlink()
    with pytest.raises(DataError, match=r"r\.atr is missing"):
        files_of(path, annotated=True)
