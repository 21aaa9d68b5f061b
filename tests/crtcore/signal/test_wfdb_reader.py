"""WFDB in and out: units, invalid samples, formats, damaged files, and the MIT-BIH database's own counts."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

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


def shorten(suffix: str, keep: int) -> Callable[[Path], None]:
    def damage(record: Path) -> None:
        file = record.with_suffix(suffix)
        file.write_bytes(file.read_bytes()[:keep])

    return damage


def remove(suffix: str) -> Callable[[Path], None]:
    return lambda record: record.with_suffix(suffix).unlink()


def replace(suffix: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def damage(record: Path) -> None:
        file = record.with_suffix(suffix)
        assert old in file.read_bytes()
        file.write_bytes(file.read_bytes().replace(old, new))

    return damage


def flip_a_byte(record: Path) -> None:
    content = bytearray(record.with_suffix(".dat").read_bytes())
    content[500] ^= 1
    record.with_suffix(".dat").write_bytes(content)


def annotate_beyond_the_end(record: Path) -> None:
    wfdb.wrann(record.name, "atr", np.array([999, 1000]), symbol=["N", "N"], write_dir=str(record.parent))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove(".hea"), r"r1\.hea is missing.*fetch"),
        (remove(".dat"), r"r1\.dat is missing though r1\.hea names it.*fetch"),
        (remove(".atr"), r"r1\.atr is missing"),
        (shorten(".dat", 3999), r"r1\.dat is truncated: 3999 bytes where r1\.hea promises 4000.*fetch"),
        (shorten(".dat", 0), r"r1\.dat is truncated"),
        (shorten(".atr", 4), r"r1\.atr is truncated.*fetch"),
        (shorten(".hea", 0), r"r1\.hea is not a WFDB header.*fetch"),
        (shorten(".hea", 20), r"r1\.hea .*fetch"),
        (replace(".hea", b"r1 2 500", b"r1 3 500"), r"r1\.hea .*fetch"),
        (replace(".hea", b"r1 2 500", b"r1 0 500"), r"r1\.hea describes no signals.*fetch"),
        (replace(".hea", b"r1 2 500", b"r1/2 2 500"), r"r1\.hea is .*multi-segment.*join|r1\.hea .*fetch"),
        (flip_a_byte, r"r1\.dat is damaged.*checksum.*fetch"),
        (annotate_beyond_the_end, r"r1\.atr does not fit .*r1\.hea.*fetch"),
    ],
)
def test_damage_is_one_sentence_with_file_and_remedy(
    written: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(written)
    with pytest.raises(DataError, match=message) as caught:
        read_recording(written, annotated=True)
    assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(position=st.integers(0, 96), garbage=st.binary(max_size=6), cut=st.integers(0, 12))
def test_a_garbled_header_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, garbage: bytes, cut: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "garbled"
    if not folder.is_dir():
        folder.mkdir()
        write_recording(folder, a_recording(20), fmt="16", comments=[])
        (folder / "r1.hea").rename(folder / "whole")
    text = (folder / "whole").read_bytes()
    (folder / "r1.hea").write_bytes(text[:position] + garbage + text[position + cut :])
    try:
        recording = read_recording(folder / "r1")
    except DataError:
        return
    assert recording.num_samples <= 20


@pytest.mark.parametrize("keep", [0, 10, 3000])
def test_truncated_flac_is_refused(tmp_path: Path, keep: int) -> None:
    wfdb.wrsamp(
        "f",
        fs=250,
        units=["mV"],
        sig_name=["I"],
        d_signal=np.random.default_rng(0).integers(-500, 500, (4000, 1)),
        fmt=["516"],
        adc_gain=[200.0],
        baseline=[0],
        write_dir=str(tmp_path),
    )
    assert read_recording(tmp_path / "f").num_samples == 4000
    file = tmp_path / "f.dat"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"f: the signal cannot be decoded.*fetch"):
        read_recording(tmp_path / "f")


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
