"""The annotation decoder against wfdb's, and files that are damaged."""

import struct
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from crtcore.errors import DataError
from crtcore.signal.annotation_file import read_annotation
from crtcore.signal.wfdb_reader import list_records

SYMBOLS = list('NLRaVFJASEj/Q~|sT*D"=pB^t+u?![]en@xf()r')


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.one_of(st.integers(0, 1500), st.integers(0, 2_000_000)), min_size=1, max_size=30),
    data=st.data(),
)
def test_reads_what_wfdb_writes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], data: st.DataObject
) -> None:
    sample_A = np.cumsum(steps)
    symbol_A = data.draw(st.lists(st.sampled_from(SYMBOLS), min_size=len(steps), max_size=len(steps)))
    notes = data.draw(
        st.lists(
            st.sampled_from(["", "(N", "(AFIB", "odd", "even"]), min_size=len(steps), max_size=len(steps)
        )
    )
    channel = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(steps), max_size=len(steps))))
    folder = tmp_path_factory.mktemp("annotation")
    wfdb.wrann("r", "atr", sample_A, symbol=symbol_A, aux_note=notes, chan=channel, write_dir=str(folder))
    sample_read_A, symbol_read_A = read_annotation(folder / "r.atr", 360.0)
    assert sample_read_A.tolist() == sample_A.tolist()
    assert symbol_read_A.tolist() == symbol_A


def test_times_are_scaled_from_the_files_own_resolution(tmp_path: Path) -> None:
    wfdb.wrann("r", "atr", np.array([100, 250]), symbol=["N", "V"], fs=250, write_dir=str(tmp_path))
    note = b"## time resolution: 250"
    body = (tmp_path / "r.atr").read_bytes()
    header = struct.pack("<HH", 22 << 10, 63 << 10 | len(note)) + note + b"\0"
    (tmp_path / "r.atr").write_bytes(header + body[body.index(struct.pack("<H", 1 << 10 | 100)) :])
    sample_A, symbol_A = read_annotation(tmp_path / "r.atr", 500.0)
    assert sample_A[symbol_A != '"'].tolist() == [200, 500]


@pytest.mark.parametrize("keep", [0, 1, 50, 801])
def test_a_truncated_file_is_named(tmp_path: Path, keep: int) -> None:
    wfdb.wrann("r", "atr", np.arange(1, 401) * 2000, symbol=["N"] * 400, write_dir=str(tmp_path))
    file = tmp_path / "r.atr"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"r\.atr is truncated"):
        read_annotation(file, 360.0)


def test_a_useless_time_resolution_is_named(tmp_path: Path) -> None:
    note = b"## time resolution: fast"
    file = tmp_path / "r.atr"
    file.write_bytes(struct.pack("<HH", 22 << 10, 63 << 10 | len(note)) + note + b"\0\0")
    with pytest.raises(DataError, match=r"r\.atr states no usable time resolution"):
        read_annotation(file, 360.0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"r\.atr is missing"):
        read_annotation(tmp_path / "r.atr", 360.0)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "random.atr"
    file.write_bytes(content)
    try:
        sample_A, symbol_A = read_annotation(file, 360.0)
    except DataError:
        return
    assert len(sample_A) == len(symbol_A) <= len(content) // 2


@pytest.mark.realdata
def test_equals_wfdb_on_real_records(data_dir: Path) -> None:
    folder = data_dir / "mitdb"
    for record in list_records(folder)[::5]:
        expected = wfdb.rdann(str(folder / record), "atr")
        sample_A, symbol_A = read_annotation(folder / f"{record}.atr", 360.0)
        assert np.array_equal(sample_A, expected.sample)
        assert symbol_A.tolist() == list(expected.symbol)


def test_annotations_after_the_end_mark_are_damage(tmp_path: Path) -> None:
    """wfdb reads on there, other programs stop: which beats count would depend on the program."""
    file = tmp_path / "r.atr"
    beat = (1 << 10 | 100).to_bytes(2, "little")
    file.write_bytes(beat + bytes(2) + bytes(4))
    assert read_annotation(file, 360.0)[0].tolist() == [100]
    file.write_bytes(beat + bytes(2) + beat + bytes(2))
    with pytest.raises(DataError, match=r"r\.atr goes on after its end mark"):
        read_annotation(file, 360.0)
