"""Large files past the page cache: it holds the images that all trials of a node share, and a checkpoint,
read only after a fault, would push them out. The disk also takes it faster than the kernel finds pages.
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Iterable
from typing import Final

BUFFER_BYTES: Final = 8 << 20
BLOCK_BYTES: Final = 4096  # no disk has larger ones


def write_directly(path: str, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file of chunks and see it on the disk; through the cache where a file system knows no other way
    (O_DIRECT is Linux's, and not every file system's).
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        _set_direct(descriptor, direct=True)
        num_bytes = filled = 0
        # Page-aligned, as the disk wants what it reads from memory by itself. Not closed by hand: what an
        # error holds of it forbids that, and it goes with the last reference.
        view = memoryview(mmap.mmap(-1, BUFFER_BYTES))
        for chunk in chunks:
            num_bytes += len(chunk)
            taken = 0
            while taken < len(chunk):
                stop = min(filled + len(chunk) - taken, BUFFER_BYTES)
                view[filled:stop] = chunk[taken : taken + stop - filled]
                taken += stop - filled
                filled = stop
                if filled == BUFFER_BYTES:
                    _write(descriptor, view)
                    filled = 0
        _write(descriptor, view[: -(-filled // BLOCK_BYTES) * BLOCK_BYTES])
        os.ftruncate(descriptor, num_bytes)  # the last block was written whole
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, blocks: memoryview) -> None:
    while blocks:
        try:
            num_written = os.write(descriptor, blocks)
        except OSError as error:
            if error.errno != errno.EINVAL or not _set_direct(descriptor, direct=False):
                raise
            continue  # a file system that takes the flag and then no direct write
        blocks = blocks[num_written:]


def _set_direct(descriptor: int, *, direct: bool) -> bool:
    """Set or clear the flag; False if it could not be, or was so already."""
    flag = getattr(os, "O_DIRECT", 0)
    before = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    after = before | flag if direct else before & ~flag
    if after == before:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, after)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True
