"""The checkpoint file: every tensor is read back, and any other file is refused."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from crtcore.errors import StorageError
from crtcore.model.checkpoint import encode_tensors
from crtcore.training.engine.progress import decode_progress, encode_progress

TENSORS = {"weight": torch.arange(12, dtype=torch.float32).reshape(3, 4), "step": torch.tensor(7)}


def written(path: Path, tensors: dict[str, Tensor]) -> Path:
    path.write_bytes(b"".join(encode_progress(tensors, {"history": [{"epoch": 1}]})))
    return path


@pytest.mark.parametrize("tensors", [TENSORS, {}])
def test_tensors_and_history_come_back(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    found, metadata = decode_progress(written(tmp_path / "x", tensors), name="x")
    assert metadata == {"history": [{"epoch": 1}]}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "x", TENSORS)
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"^x does not match its checksum$"):
            decode_progress(path, name="x")


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 100])
def test_a_part_of_the_file_is_refused(tmp_path: Path, length: int) -> None:
    path = written(tmp_path / "x", TENSORS)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(StorageError, match="does not match its checksum"):
        decode_progress(path, name="x")


def test_a_file_without_a_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"".join(encode_tensors(TENSORS, {"history": []})))
    with pytest.raises(StorageError, match="does not match its checksum"):
        decode_progress(path, name="x")
