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
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from crtcore.errors import SweepError
from crtcore.stages.atomic import atomically
from search.study.folder import JOURNAL_FILE, STUDY_FILE, URL_FILE, study_file, sweep_dir, sweep_names

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
        return optuna.load_study(storage=study_storage(storage, name), study_name=name)
    folder = sweep_dir(storage, name)
    wanted = folder / {"sqlite": STUDY_FILE, "journal": JOURNAL_FILE}.get(kind, URL_FILE)
    path = study_file(storage, name)
    if path is None:
        folder.mkdir(parents=True, exist_ok=True)
        # Optuna creates tables, version and study one after another; the file gets its name when all are
        # there.
        with atomically(wanted) as draft:
            if wanted.name == URL_FILE:
                draft.write_text(kind, encoding="utf-8")
            _create(_open(draft), name, directions)
    elif path != wanted or (wanted.name == URL_FILE and path.read_text(encoding="utf-8") != kind):
        raise SweepError(
            f"sweep {name} keeps its study in {path}; set search.study back, or start another sweep with "
            "--name"
        )
    study = _create(_open(wanted), name, directions)
    if [each.name.lower() for each in study.directions] != list(directions) and not study.get_trials():
        optuna.delete_study(study_name=name, storage=_open(wanted))
        study = _create(_open(wanted), name, directions)
    return study


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


def _create(storage: BaseStorage, name: str, directions: Sequence[Direction]) -> optuna.Study:
    return optuna.create_study(
        storage=storage, study_name=name, directions=list(directions), load_if_exists=True
    )


def _open(path: Path) -> BaseStorage:
    if path.suffix == Path(JOURNAL_FILE).suffix:
        return JournalStorage(JournalFileBackend(str(path)))
    if path.suffix == Path(URL_FILE).suffix:
        return _database(path.read_text(encoding="utf-8").strip())
    # No pool: a connection that stays open after its query would keep the file open in forked processes.
    return RDBStorage(
        f"sqlite:///{path}",
        engine_kwargs={"poolclass": NullPool, "connect_args": {"timeout": LOCK_TIMEOUT_S}},
    )


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
