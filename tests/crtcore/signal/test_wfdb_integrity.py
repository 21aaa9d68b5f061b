"""Damaged records are refused in one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from crtcore.errors import DataError
from crtcore.signal.recording import BeatAnnotation, Recording
from crtcore.signal.wfdb_reader import read_recording, write_recording


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
        (shorten(".hea", 0), r"r1\.hea is empty: fetch"),
        (shorten(".hea", 20), r"r1\.hea .*fetch"),
        (replace(".hea", b"r1 2 500", b"r1 3 500"), r"r1\.hea .*fetch"),
        (
            replace(".hea", b"r1 2 500", b"r1 0 500"),
            r"r1\.hea describes 2 signals where it promises 0: fetch",
        ),
        (
            replace(".hea", b"r1 2 500", b"r1/2 2 500"),
            r"r1\.hea: .* describes several segments.*join a multi-segment",
        ),
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


def test_two_formats_in_one_file_are_refused(written: Path) -> None:
    header = written.with_suffix(".hea")
    before, _, after = header.read_text().rpartition(".dat 16")
    header.write_text(f"{before}.dat 0{after}")
    with pytest.raises(DataError, match=r"r1\.hea gives r1\.dat two formats"):
        read_recording(written)
