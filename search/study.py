"""Where a sweep's record lives: the Optuna study `sweeps/<name>/study.db`, which any Optuna tool can read."""

import os
import uuid
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.pool import NullPool

from crtcore.errors import SweepError

STUDY_FILE = "study.db"
LOCAL_RECORDS = Path("~/.local/share/crtsearch")
LOCK_TIMEOUT_S = 60.0  # how long a write waits for a dashboard that is reading


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
        root = LOCAL_RECORDS / scheme / rest.strip("/")
    return root.expanduser().absolute() / "sweeps" / name


def sweep_exists(storage: str, name: str) -> bool:
    """Whether a sweep of that name was ever started."""
    return (sweep_dir(storage, name) / STUDY_FILE).is_file()


def open_study(storage: str, name: str, *, create: bool) -> optuna.Study:
    """The study of sweep `name`, higher values being better.

    Raises SweepError if there is none and `create` is false.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = sweep_dir(storage, name) / STUDY_FILE
    if not path.is_file():
        if not create:
            raise SweepError(_unknown(storage, name))
        path.parent.mkdir(parents=True, exist_ok=True)
        # Optuna creates tables, version and study one after another; the file gets its name when all are
        # there.
        unfinished = path.with_name(f".{STUDY_FILE}.{uuid.uuid4().hex[:8]}")
        optuna.create_study(storage=_sqlite(unfinished), study_name=name, direction="maximize")
        os.replace(unfinished, path)
    return optuna.load_study(storage=_sqlite(path), study_name=name)


def _sqlite(path: Path) -> RDBStorage:
    # No pool: a connection that outlives its query would hold the file open in every forked or waiting
    # process.
    return RDBStorage(
        f"sqlite:///{path}",
        engine_kwargs={"poolclass": NullPool, "connect_args": {"timeout": LOCK_TIMEOUT_S}},
    )


def _unknown(storage: str, name: str) -> str:
    folder = sweep_dir(storage, name).parent
    known = sorted(path.parent.name for path in folder.glob(f"*/{STUDY_FILE}"))
    hint = f"sweeps there: {', '.join(known)}" if known else "start one with `crtsearch sweep CONFIG`"
    return f"no sweep {name!r} in {folder}; {hint}"
