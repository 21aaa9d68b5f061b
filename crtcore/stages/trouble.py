"""A disk or server that cannot be used, as one sentence with the remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from crtcore.errors import StorageError

REMEDIES: Final = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space or raise the quota",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it readable and writable for you",
    errno.EPERM: "make it readable and writable for you",
    errno.EEXIST: "give a folder, not a file",
    errno.ENOTDIR: "give a folder, not a file",
}
# Numbers of errors that a computation cannot cause: the disk is full, read-only or broken.
DISK_ERRORS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM}
)
OTHER_REMEDY: Final = "check that the disk or server works"


def storage_trouble(place: str, error: OSError) -> StorageError:
    """The error for a `place` where reading or writing failed with `error`."""
    reason = error.strerror or str(error)
    remedy = REMEDIES.get(error.errno or 0, OTHER_REMEDY)
    return StorageError(
        f"{place} cannot be used ({reason}); {remedy}, then run the same command again: nothing is lost"
    )


def is_disk_error(error: OSError) -> bool:
    """Whether a disk is to blame, and not the code that uses it."""
    return error.errno in DISK_ERRORS


@contextmanager
def trouble_at(place: str) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError that names `place`."""
    try:
        yield
    except OSError as error:
        raise storage_trouble(place, error) from error
