"""Where the record of a sweep lies, and the lock that lets one process at a time run it."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from crtcore.config import Experiment
from crtcore.errors import SweepError
from crtcore.stages.store import StageStore

STUDY_FILE: Final = "study.db"
JOURNAL_FILE: Final = "study.journal"
URL_FILE: Final = "study.url"
STUDY_FILES: Final = (STUDY_FILE, JOURNAL_FILE, URL_FILE)
LOCK_FILE: Final = "driver.lock"
LOCAL_RECORDS: Final = Path("~/.local/share/crtsearch")  # of sweeps whose storage is an object store


def sweep_dir(storage: str, name: str) -> Path:
    """The folder of one sweep.

    SQLite needs a file system. If `storage` is an object store, only the stages lie there, and the sweep's
    record lies on the machine that runs the sweep, under `~/.local/share/crtsearch`.
    """
    scheme, separator, rest = storage.partition("://")
    if not separator:
        root = Path(storage)
    elif scheme == "file":
        root = Path(rest)
    else:
        root = LOCAL_RECORDS / scheme / rest.partition("?")[0].strip("/")
    return root.expanduser().absolute() / "sweeps" / name


def stage_store(storage: str) -> StageStore:
    """The stages of a storage, for readers without a config; remote files go to the default cache."""
    return StageStore(storage, cache=Experiment.model_fields["cache"].default)


def sweep_exists(storage: str, name: str) -> bool:
    """Whether a sweep of that name was ever started."""
    return study_file(storage, name) is not None


def sweep_names(storage: str) -> tuple[str, ...]:
    """All sweeps of a storage, sorted."""
    folder = sweep_dir(storage, "any").parent
    found = folder.iterdir() if folder.is_dir() else ()
    return tuple(sorted(each.name for each in found if sweep_exists(storage, each.name)))


def study_file(storage: str, name: str) -> Path | None:
    """The file that holds a sweep's study or its address; None if there is no such sweep."""
    folder = sweep_dir(storage, name)
    return next((folder / file for file in STUDY_FILES if (folder / file).is_file()), None)


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Let no other process run the sweep in `folder`. SweepError, which names the holder, if one does.

    The operating system releases the lock when the process ends, however it ends. A file system that cannot
    lock files (an NFS mount with `nolock`) raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    # A soft lock, which filelock would use where locks are missing, could outlive its process.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        held = lock.acquire(blocking=False)
    except Timeout as error:
        holder = path.read_text(encoding="utf-8").strip() or "another process"
        raise SweepError(
            f"sweep {folder.name} is already being run by {holder}; wait for it, stop it, or start another "
            "sweep with --name"
        ) from error
    with held:
        path.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
        yield
