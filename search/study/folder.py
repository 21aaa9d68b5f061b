"""Where a sweep lies, and the lock by which one process at a time drives it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crtcore.config import Experiment
from crtcore.errors import SweepError
from crtcore.stages.store import StageStore

if TYPE_CHECKING:  # it loads torch, which whoever only reads a study has no use for
    pass

import fcntl
import platform

STUDY_FILE = "study.db"


JOURNAL_FILE = "study.journal"


URL_FILE = "study.url"


FILES = (STUDY_FILE, JOURNAL_FILE, URL_FILE)


LOCAL_RECORDS = Path("~/.local/share/crtsearch")


def sweep_dir(storage: str, name: str) -> Path:
    """The folder of one sweep.

    SQLite needs a file system: where `storage` is an object store, its stages lie there and the sweep's
    record lies on the machine that drives the sweep, under `~/.local/share/crtsearch`.
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
    folder = sweep_dir(storage, name)
    return next((folder / file for file in FILES if (folder / file).is_file()), None)


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
