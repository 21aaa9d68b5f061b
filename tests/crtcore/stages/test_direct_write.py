import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crtcore.stages import direct_write
from crtcore.stages.direct_write import BLOCK_BYTES, BUFFER_BYTES, write_directly


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [0],
        [1],
        [BLOCK_BYTES],
        [BLOCK_BYTES - 1, 2],
        [BUFFER_BYTES],
        [3, 2 * BUFFER_BYTES + 5, 0, 7],
        [BUFFER_BYTES - 1, 1, BLOCK_BYTES],
    ],
)
def test_a_file_is_its_chunks_one_after_another(tmp_path: Path, sizes: list[int]) -> None:
    chunks = [os.urandom(size) for size in sizes]
    path = tmp_path / "file"
    path.write_bytes(bytes(100))  # it is replaced
    write_directly(str(path), (memoryview(chunk) for chunk in chunks))
    assert path.read_bytes() == b"".join(chunks)


@pytest.mark.parametrize("at_open", [True, False])
def test_a_file_system_without_direct_writes_takes_it_through_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_open: bool
) -> None:
    def refuse(descriptor: int, blocks: memoryview) -> int:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return write(descriptor, blocks[:1000])  # and not all at once

    write = os.write
    if at_open:
        monkeypatch.setattr(direct_write, "_set_direct", lambda descriptor, direct: False)
    else:
        monkeypatch.setattr(os, "write", refuse)
    content = os.urandom(2 * BLOCK_BYTES + 9)
    write_directly(str(tmp_path / "file"), [content])
    assert (tmp_path / "file").read_bytes() == content


def test_what_else_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, blocks: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_directly(str(tmp_path / "file"), [b"content"])


def test_chunks_are_asked_for_one_at_a_time(tmp_path: Path) -> None:
    """A checkpoint is larger than what may be in memory twice."""
    written = []

    def chunks() -> Iterator[bytes]:
        for number in range(4):
            written.append((tmp_path / "file").stat().st_size)
            yield bytes([number]) * BUFFER_BYTES

    write_directly(str(tmp_path / "file"), chunks())
    assert written == [number * BUFFER_BYTES for number in range(4)]
