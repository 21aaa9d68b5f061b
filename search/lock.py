"""One sweep, one driver: a lock that the operating system releases with the process, however that ends."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crtcore.errors import SweepError

LOCK_FILE = "driver.lock"


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Hold the sweep in `folder` for this process. SweepError, naming the holder, if another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise SweepError(
                f"sweep {folder.name} is already being run by {file.read().strip() or 'another process'}; "
                "wait for it, stop it, or start another sweep with --name"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield
