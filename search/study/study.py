"""Open a sweep's record: an Optuna study, which any Optuna tool can read.

By default it is the SQLite file `sweeps/<name>/study.db`. With `search.study: journal` it is the file
`study.journal`. With a URL there it is a database, and `study.url` holds the URL.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, _CachedStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from crtcore.errors import SweepError
from crtcore.stages.atomic import atomically, write_atomically
from search.study.folder import JOURNAL_FILE, STUDY_FILE, URL_FILE, study_file, sweep_dir, sweep_names


class DamagedStudyError(SweepError):
    """The study of a sweep is there, but cannot be read."""


Direction = Literal["maximize", "minimize"]
LOCK_TIMEOUT_S = 60.0  # how long a write waits for a dashboard that is reading


def study_storage(storage: str, name: str) -> BaseStorage:
    """Optuna's storage of sweep `name`. SweepError if there is none or its database cannot be used."""
    path = study_file(storage, name)
    if path is None:
        known = ", ".join(sweep_names(storage))
        hint = f"sweeps there: {known}" if known else "start one with `crtsearch sweep CONFIG`"
        raise SweepError(f"no sweep {name!r} in {sweep_dir(storage, name).parent}; {hint}")
    return _open(path)


def open_study(
    storage: str,
    name: str,
    *,
    create: bool,
    kind: str = "sqlite",
    directions: Sequence[Direction] = ("maximize",),
) -> optuna.Study:
    """The study of sweep `name`. If there is none, `create` says to make one.

    `kind` is `sqlite`, `journal` or a database URL. `directions` are those of the objectives; a study that
    already has trials keeps its own. Raises SweepError if there is no study and `create` is false, if it is
    of another kind, or if the database cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not create:
        return _load(study_storage(storage, name), name)
    folder = sweep_dir(storage, name)
    wanted = folder / {"sqlite": STUDY_FILE, "journal": JOURNAL_FILE}.get(kind, URL_FILE)
    path = study_file(storage, name)
    if path is None:
        folder.mkdir(parents=True, exist_ok=True)
        # Optuna creates tables, version and study one after another; the file gets its name when all are
        # there.
        with atomically(wanted) as draft:
            if wanted.name == URL_FILE:  # it may hold a password
                write_atomically(draft, kind, mode=0o600)
            _create(_open(draft), name, directions)
    elif path != wanted or (wanted.name == URL_FILE and path.read_text(encoding="utf-8") != kind):
        raise SweepError(
            f"sweep {name} keeps its study in {path}; set search.study back, or start another sweep with "
            "--name"
        )
    study = _load(_open(wanted), name)
    if [each.name.lower() for each in study.directions] != list(directions) and not study.get_trials():
        optuna.delete_study(study_name=name, storage=_open(wanted))
        study = _create(_open(wanted), name, directions)
    return study


def is_damaged(storage: str, name: str) -> bool:
    """Whether the study of a sweep cannot be read as a whole."""
    try:
        _load(study_storage(storage, name), name).get_trials(deepcopy=False)
    except (DamagedStudyError, StorageInternalError, SQLAlchemyError):
        return True
    return False


def study_id(study: optuna.Study) -> int:
    """The number of a study in its storage, as it stands in the addresses of optuna-dashboard."""
    return study._study_id


@contextmanager
def transaction(study: optuna.Study) -> Iterator[None]:
    """Make what the block writes to the study one database transaction: all or nothing, and one wait for the
    disk instead of one for each write. A journal has no transactions, so there each write stands alone.

    Do not nest it. Raises StorageInternalError, as Optuna does, if the database fails.
    """
    if not isinstance(study._storage, _CachedStorage):
        yield
        return
    storage = study._storage._backend
    sessions = storage.scoped_session
    try:
        with storage.engine.begin() as connection:
            storage.remove_session()  # an open session would not join the transaction
            sessions.configure(bind=connection, join_transaction_mode="rollback_only")
            try:
                yield
            finally:
                storage.remove_session()
                sessions.configure(bind=storage.engine, join_transaction_mode="conditional_savepoint")
    except SQLAlchemyError as error:
        raise StorageInternalError("the study's database failed") from error


def _load(storage: BaseStorage, name: str) -> optuna.Study:
    """The study of sweep `name` in its storage. A dashboard may have renamed it: the only study of a SQLite
    file gets its own name back.
    """
    names = optuna.get_all_study_names(storage)
    if name not in names:
        if not isinstance(storage, RDBStorage) or storage.engine.dialect.name != "sqlite" or len(names) != 1:
            others = f" but {', '.join(names)}" if names else ""
            raise DamagedStudyError(
                f"the database of sweep {name} holds no study {name}{others}; if it was renamed, give it "
                f"its name back, and if it is lost, run `crtsearch recover {name}`"
            )
        with storage.engine.begin() as connection:
            connection.execute(text("UPDATE studies SET study_name = :name"), {"name": name})
    return optuna.load_study(storage=storage, study_name=name)


def _create(storage: BaseStorage, name: str, directions: Sequence[Direction]) -> optuna.Study:
    return optuna.create_study(
        storage=storage, study_name=name, directions=list(directions), load_if_exists=True
    )


def _open(path: Path) -> BaseStorage:
    if path.suffix == Path(JOURNAL_FILE).suffix:
        return JournalStorage(JournalFileBackend(str(path)))
    if path.suffix == Path(URL_FILE).suffix:
        return _database(path.read_text(encoding="utf-8").strip())
    try:
        # No pool: a connection that stays open after its query would keep the file open in forked processes.
        storage = RDBStorage(
            f"sqlite:///{path}",
            engine_kwargs={"poolclass": NullPool, "connect_args": {"timeout": LOCK_TIMEOUT_S}},
        )
        with storage.engine.connect() as connection:
            verdict = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
    except DatabaseError as error:
        verdict = str(error.orig)
        if isinstance(error, OperationalError):  # it is locked, full or read-only, but not damaged
            raise SweepError(
                f"the study {path} cannot be used ({verdict}); check its disk and its owner"
            ) from error
    if verdict != "ok":
        raise DamagedStudyError(
            f"the study {path} is damaged ({verdict}); the results of its complete trials are still in the "
            f"stage store: run `crtsearch recover {path.parent.name}` to get them back"
        )
    return storage


def _database(url: str) -> BaseStorage:
    try:
        return optuna.storages.get_storage(url)
    except (SQLAlchemyError, ImportError) as error:
        raise SweepError(
            f"search.study: the database {_shown(url)} cannot be used ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}); check that it runs and that its driver is installed"
        ) from error


def _shown(url: str) -> str:
    """A URL with its password hidden."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "that it names"
