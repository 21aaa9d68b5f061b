import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crtcore.errors import DataError
from crtcore.signal.numpy_reader import read_npy, read_npz

SIGNAL_CS = np.array([[1, 2, 3], [4, 5, np.nan]])
SIDE = '{"sampling_rate_hz": 500, "unit": "uV", "leads": ["I", "II"]}'


def npy_header(shape: tuple[int, ...]) -> bytes:
    """The header of a float64 array of `shape`, without its numbers."""
    stream = io.BytesIO()
    header: dict[str, Any] = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_with_its_side_file(tmp_path: Path, order: Any) -> None:
    np.save(tmp_path / "r.npy", np.asarray(SIGNAL_CS, order=order))
    (tmp_path / "r.json").write_text(SIDE)
    recording = read_npy(tmp_path / "r.npy")
    assert (recording.record_id, recording.leads, recording.sampling_rate_hz) == ("r", ("I", "II"), 500.0)
    np.testing.assert_allclose(recording.signal_CS, SIGNAL_CS / 1000, rtol=1e-6)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_holds_everything(tmp_path: Path, save: Any) -> None:
    save(
        tmp_path / "r.npz",
        signal=SIGNAL_CS.astype(np.float32),
        sampling_rate_hz=500,
        leads=["I", "II"],
        unit="uV",
        other=np.zeros(3),
    )
    recording = read_npz(tmp_path / "r.npz")
    assert (recording.leads, recording.sampling_rate_hz) == (("I", "II"), 500.0)
    np.testing.assert_allclose(recording.signal_CS, SIGNAL_CS / 1000, rtol=1e-6)
    save(tmp_path / "r.npz", signal=SIGNAL_CS, sampling_rate_hz=[500.0], leads=["I", "II"])
    np.testing.assert_array_equal(read_npz(tmp_path / "r.npz").signal_CS, SIGNAL_CS)


@pytest.mark.parametrize(
    "content", [b"", b"no array", npy_header((12, 10**14)), npy_header((2, 3)) + bytes(40)]
)
def test_npy_that_holds_less_than_it_claims_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.npy").write_bytes(content)
    (tmp_path / "r.json").write_text(SIDE)
    with pytest.raises(DataError, match=r"r\.npy is not a whole \.npy array"):
        read_npy(tmp_path / "r.npy")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(6), r"shape \(6,\)"),
        (np.zeros((2, 3), np.complex64), "complex64"),
        (np.array([["a", "b"]]), "<U1"),
        (np.array([[{}, {}]]), "not a whole .npy array of numbers"),
        (np.zeros((3, 2)), "transpose it"),
    ],
)
def test_npy_of_another_kind_is_refused(tmp_path: Path, array: Any, message: str) -> None:
    np.save(tmp_path / "r.npy", array)
    (tmp_path / "r.json").write_text(SIDE)
    with pytest.raises(DataError, match=message):
        read_npy(tmp_path / "r.npy")


def test_npy_without_a_side_file_says_what_to_write(tmp_path: Path) -> None:
    np.save(tmp_path / "r.npy", SIGNAL_CS)
    with pytest.raises(DataError, match=r"no sampling rate: write r\.json"):
        read_npy(tmp_path / "r.npy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": None}, "no array `signal`"),
        ({"sampling_rate_hz": None}, "no sampling rate: add it to the file"),
        ({"leads": None}, "no lead names: add it to the file"),
        ({"leads": [1, 2]}, "`leads` must hold names"),
        ({"sampling_rate_hz": "500"}, "`sampling_rate_hz` must hold one number"),
        ({"sampling_rate_hz": [1.0, 2.0]}, "`sampling_rate_hz` must hold one number"),
        ({"unit": 1.0}, "`unit` must hold one text"),
        ({"signal": np.zeros(3)}, r"shape \(3,\)"),
        ({"signal": np.array([[None]])}, "not a whole .npz file of plain arrays"),
    ],
)
def test_bad_npz_is_named_with_its_array(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays: dict[str, Any] = {"signal": SIGNAL_CS, "sampling_rate_hz": 500.0, "leads": ["I", "II"]}
    np.savez(
        tmp_path / "r.npz", **{name: array for name, array in (arrays | change).items() if array is not None}
    )
    with pytest.raises(DataError, match=message):
        read_npz(tmp_path / "r.npz")


def test_npz_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "r.npz", "w") as archive:
        archive.writestr("signal.npy", npy_header((12, 10**14)))
    with pytest.raises(DataError, match=r"`signal` claims shape \(12, 100000000000000\)"):
        read_npz(tmp_path / "r.npz")


def test_a_damaged_npz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    np.savez_compressed(path, signal=np.random.default_rng(0).normal(size=(2, 900)), sampling_rate_hz=500.0)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"not a whole \.npz"):
        read_npz(path)
    path.write_bytes(whole[:3000] + bytes(50) + whole[3050:])
    with pytest.raises(DataError, match=r"not a whole \.npz"):
        read_npz(path)
