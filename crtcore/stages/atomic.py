"""Files and folders that appear whole or not at all: written under a temporary name, then renamed."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o666  # before the umask, as `open` has it


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Yield a draft path beside `path`, with the same suffix. The caller creates a file or folder there, and
    at the end it is renamed to `path`. If the block raises, the draft is deleted and `path` stays as it was.

    OSError if `path` is a folder that holds something and the draft is a folder too.
    """
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield draft
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):  # the first error says more: a full or read-only disk, perhaps
            if draft.is_dir():
                shutil.rmtree(draft)
            else:
                draft.unlink()
        raise


def write_atomically(path: Path, content: bytes | str, *, mode: int = FILE_MODE) -> None:
    """Write a file and wait until it is on the disk. Readers see the old content or the new, never a part.

    Text is written as UTF-8. `mode` are the permissions of the new file, before the umask.
    """
    data = content.encode() if isinstance(content, str) else content
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with atomically(path) as draft, os.fdopen(os.open(draft, flags, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
