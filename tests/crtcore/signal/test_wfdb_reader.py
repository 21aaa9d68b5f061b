"""WFDB in and out: units, invalid samples, formats, and the MIT-BIH database's own counts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import wfdb

from crtcore.data.splits import DS1, DS2
from crtcore.errors import DataError
from crtcore.signal.annotation_file import read_annotation
from crtcore.signal.beats import AAMI_CLASSES, BEAT_SYMBOLS, aami_labels
from crtcore.signal.recording import BeatAnnotation, Recording
from crtcore.signal.wfdb_reader import (
    list_records,
    read_flutter_intervals,
    read_recording,
    recording_files,
    write_recording,
)

WITHOUT_PACED = {"102", "104", "107", "217"}


def a_recording(num_samples: int = 1000) -> Recording:
    rng = np.random.default_rng(0)
    return Recording(
        record_id="r1",
        patient_id="r1",
        leads=("I", "V1"),
        sampling_rate_hz=500.0,
        signal_CS=rng.normal(0, 1, (2, num_samples)).astype(np.float32),
        annotation=BeatAnnotation(sample_B=np.array([100, 400, 800]), symbol_B=np.array(["N", "V", "/"])),
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A small record, 16-bit, with annotations."""
    write_recording(tmp_path, a_recording(), fmt="16", comments=["made up"])
    return tmp_path / "r1"


@pytest.mark.parametrize("fmt", ["16", "212", "24", "32"])
def test_what_is_written_is_read_again(tmp_path: Path, fmt: str) -> None:
    recording = a_recording()
    recording.signal_CS[1, 200:210] = np.nan
    write_recording(tmp_path, recording, fmt=fmt, comments=["made up"])
    again = read_recording(tmp_path / "r1", patient_id="p7", annotated=True)
    assert (again.record_id, again.patient_id, again.leads) == ("r1", "p7", ("I", "V1"))
    assert again.sampling_rate_hz == 500.0
    assert again.signal_CS.dtype == np.float32
    np.testing.assert_allclose(again.signal_CS, recording.signal_CS, atol=0.5 / 200 + 1e-6)
    assert again.annotation is not None
    assert again.annotation.sample_B.tolist() == [100, 400, 800]
    assert again.annotation.symbol_B.tolist() == ["N", "V", "/"]


def test_values_beyond_the_format_are_clipped_not_wrapped(tmp_path: Path) -> None:
    recording = a_recording()
    recording.signal_CS[0, :2] = 100, -100
    write_recording(tmp_path, recording, fmt="212", comments=[])
    np.testing.assert_allclose(read_recording(tmp_path / "r1").signal_CS[0, :2], [2047 / 200, -2047 / 200])


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize(("unit", "factor"), [("V", 1000), ("mV", 1), ("uV", 0.001), ("µV", 0.001)])
def test_every_voltage_becomes_millivolts(tmp_path: Path, unit: str, factor: float, encoding: str) -> None:
    digital_SC = np.arange(-50, 50)[:, None]
    wfdb.wrsamp(
        "u",
        fs=250,
        units=["UNIT"],
        sig_name=["II"],
        d_signal=digital_SC,
        fmt=["16"],
        adc_gain=[10.0],
        baseline=[7],
        write_dir=str(tmp_path),
    )
    header = tmp_path / "u.hea"
    header.write_text(header.read_text().replace("UNIT", unit), encoding=encoding)
    expected_S = (digital_SC[:, 0] - 7) / 10 * factor
    np.testing.assert_allclose(read_recording(tmp_path / "u").signal_CS[0], expected_S, rtol=1e-6)


def write_two_units(folder: Path, units: list[str]) -> Path:
    wfdb.wrsamp(
        "u",
        fs=250,
        units=units,
        sig_name=["ABP", "II"],
        d_signal=np.arange(200).reshape(100, 2),
        fmt=["16"] * 2,
        adc_gain=[1.0] * 2,
        baseline=[0] * 2,
        write_dir=str(folder),
    )
    return folder / "u"


def test_channels_that_are_no_voltage_are_left_out(tmp_path: Path) -> None:
    recording = read_recording(write_two_units(tmp_path, ["mmHg", "mV"]))
    assert recording.leads == ("II",)
    assert recording.signal_CS[0, :3].tolist() == [1, 3, 5]
    with pytest.raises(DataError, match="no signal in volts"):
        read_recording(write_two_units(tmp_path, ["mmHg", "NU"]))


def test_several_samples_per_frame_are_averaged(tmp_path: Path) -> None:
    wfdb.wrsamp(
        "m",
        fs=100,
        units=["mV"] * 2,
        sig_name=["I", "II"],
        e_d_signal=[np.arange(200), np.arange(100)],
        samps_per_frame=[2, 1],
        fmt=["16"] * 2,
        adc_gain=[1.0] * 2,
        baseline=[0] * 2,
        write_dir=str(tmp_path),
    )
    recording = read_recording(tmp_path / "m")
    assert recording.num_samples == 100
    assert recording.signal_CS[:, 10].tolist() == [20, 10]


def test_only_beats_are_kept_and_flutter_is_given_apart(tmp_path: Path) -> None:
    write_recording(tmp_path, a_recording(), fmt="16", comments=[])
    symbols = ["+", "N", "[", "!", "]", "V", "~", "[", "]"]
    wfdb.wrann("r1", "atr", np.arange(1, 10) * 100, symbol=symbols, write_dir=str(tmp_path))
    annotation = read_recording(tmp_path / "r1", annotated=True).annotation
    assert annotation is not None
    assert annotation.symbol_B.tolist() == ["N", "V"]
    assert annotation.sample_B.tolist() == [200, 600]
    assert read_flutter_intervals(tmp_path / "r1").tolist() == [[300, 500], [800, 900]]
    wfdb.wrann("r1", "atr", np.array([100]), symbol=["["], write_dir=str(tmp_path))
    with pytest.raises(DataError, match="do not pair up"):
        read_flutter_intervals(tmp_path / "r1")


def test_records_are_those_listed_else_all_headers(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.hea").touch()
    assert list_records(tmp_path) == ("a", "b", "c")
    (tmp_path / "RECORDS").write_text("c\na\n\n")
    assert list_records(tmp_path) == ("c", "a")


def test_the_files_of_a_record_are_all_that_is_read(written: Path) -> None:
    names = [file.name for file in recording_files(written, annotated=True)]
    assert names == ["r1.hea", "r1.dat", "r1.atr"]
    assert [file.name for file in recording_files(written, annotated=False)] == names[:2]


def test_folders_without_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no WFDB records"):
        list_records(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        list_records(tmp_path / "absent")


@pytest.mark.realdata
def test_the_signal_is_wfdbs_own(data_dir: Path) -> None:
    for path in (
        data_dir / "mitdb" / "114",
        sorted((data_dir / "ptbxl500").rglob("*.hea"))[7].with_suffix(""),
    ):
        expected = wfdb.rdrecord(str(path))
        recording = read_recording(path)
        assert recording.leads == tuple(expected.sig_name)
        np.testing.assert_allclose(recording.signal_CS, expected.p_signal.T, atol=1e-5)


@pytest.mark.realdata
def test_the_mit_bih_database_has_the_published_beats(data_dir: Path) -> None:
    folder = data_dir / "mitdb"
    records = list_records(folder)
    assert len(records) == 48
    symbols = {record: read_annotation(folder / f"{record}.atr", 360.0)[1] for record in records}
    everything = Counter(np.concatenate(list(symbols.values())).tolist())
    beats = {symbol: count for symbol, count in everything.items() if symbol in BEAT_SYMBOLS}
    assert beats == {
        "N": 75052, "L": 8075, "R": 7259, "V": 7130, "/": 7028, "A": 2546, "f": 982, "F": 803, "j": 229,
        "a": 150, "E": 106, "J": 83, "Q": 33, "e": 16, "S": 2,
    }  # fmt: skip
    assert sum(beats.values()) == 109_494
    others = {symbol: count for symbol, count in everything.items() if symbol not in BEAT_SYMBOLS}
    assert others == {"+": 1291, "~": 616, "!": 472, '"': 437, "x": 193, "|": 132, "[": 6, "]": 6}

    def aami(names: Sequence[str]) -> list[int]:
        label_B = aami_labels(np.concatenate([symbols[name] for name in names]))
        return [int((label_B == k).sum()) for k in range(len(AAMI_CLASSES))]

    unpaced = [record for record in records if record not in WITHOUT_PACED]
    assert aami(unpaced) == [90_125, 2_781, 7_009, 803, 15]
    assert aami(DS1) == [45_866, 944, 3_788, 415, 8]
    assert aami(DS2) == [44_259, 1_837, 3_221, 388, 7]


@pytest.mark.realdata
def test_flutter_of_record_207(data_dir: Path) -> None:
    interval = read_flutter_intervals(data_dir / "mitdb" / "207")
    assert interval.shape == (6, 2)
    assert (interval[:, 0] < interval[:, 1]).all()
    assert read_flutter_intervals(data_dir / "mitdb" / "100").shape == (0, 2)
