"""The epoch checkpoint of an unfinished stage: a safetensors file that ends in its own SHA-256.

The last tensor, `sha256`, is the SHA-256 of everything before it: the header, with the history of epochs, and
all other tensors. A file without it was written before version 0.2 and cannot be trusted.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from crtcore.errors import StorageError
from crtcore.model.checkpoint import decode_tensors, encode_tensors

CHECKSUM: Final = "sha256"
NUM_BYTES: Final = hashlib.sha256().digest_size
BLOCK_BYTES: Final = 1 << 20


def encode_progress(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Iterator[memoryview]:
    """The file in chunks. The checksum is computed on the way, so no tensor is held in memory twice."""
    placeholder = torch.zeros(NUM_BYTES, dtype=torch.uint8)
    chunks = encode_tensors({**tensors, CHECKSUM: placeholder}, metadata)
    digest = hashlib.sha256()
    for _ in range(1 + len(tensors)):  # the header, then one chunk per tensor
        chunk = next(chunks)
        digest.update(chunk)
        yield chunk
    yield memoryview(digest.digest())


def decode_progress(path: Path, *, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and metadata of `encode_progress`. Raises StorageError, calling the file `name`, if a
    single bit differs from what was written.
    """
    if not _is_intact(path):
        raise StorageError(f"{name} does not match its checksum")
    tensors, metadata = decode_tensors(path, name=name)
    if tensors.pop(CHECKSUM, None) is None:
        raise StorageError(f"{name} has no checksum")
    return tensors, metadata


def _is_intact(path: Path) -> bool:
    left = path.stat().st_size - NUM_BYTES
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while left > 0:
            block = file.read(min(BLOCK_BYTES, left))
            digest.update(block)
            left -= len(block)
        return file.read() == digest.digest()
