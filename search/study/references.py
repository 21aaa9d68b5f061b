"""The stages that a sweep needs.

A sweep's study names them. On an object store the study lies on the machine that drives the sweep, where
other machines cannot read it. So the sweep also keeps a list in the storage,
`sweeps/<name>-<id>.references.json`, and writes it before it builds or reuses a stage.
"""

import json
import platform
import uuid
from dataclasses import dataclass, replace
from typing import Final

import optuna

from crtcore.errors import StorageError
from crtcore.stages.storage import Storage
from crtcore.stages.trouble import trouble_at
from search.study.attributes import DIGESTS, REFERENCES_ID, STAGES
from search.study.update import TrialUpdate

SUFFIX: Final = ".references.json"


@dataclass(frozen=True, kw_only=True)
class References:
    """Digests of stages: `all` that a sweep names, and those of its `unfinished` trials.

    `id` tells apart sweeps of one name that several machines drive; it is empty for a sweep that never ran on
    an object store. `host` is where the study lies.
    """

    sweep: str
    id: str
    host: str
    all: frozenset[str]
    unfinished: frozenset[str]


def references_of(study: optuna.Study) -> References:
    """The stages that a study names."""
    digests, unfinished = set(DIGESTS.of(study).values()), set()
    for trial in study.get_trials(deepcopy=False):
        own = {digest for digest in STAGES.of(trial).values() if digest is not None}
        digests |= own
        if not trial.state.is_finished():
            unfinished |= own
    return References(
        sweep=study.study_name,
        id=REFERENCES_ID.of(study),
        host=platform.node(),
        all=frozenset(digests),
        unfinished=frozenset(unfinished),
    )


class ReferenceFile:
    """Keeps the list of one sweep in its storage; does nothing where the study lies in the storage itself."""

    def __init__(self, study: optuna.Study, storage: str) -> None:
        self._storage = Storage(storage)
        if self._storage.is_local:
            return
        if not REFERENCES_ID.of(study):
            REFERENCES_ID.write(study, uuid.uuid4().hex[:12])
        self._references = references_of(study)
        self._write()

    def on_update(self, update: TrialUpdate) -> None:
        """Add the stages of a trial to the list, before they are built or reused."""
        if self._storage.is_local or update.state not in ("WAITING", "RUNNING"):
            return
        new = frozenset(digest for digest in update.stages.values() if digest is not None)
        known = self._references
        if not new <= known.unfinished:
            self._references = replace(known, all=known.all | new, unfinished=known.unfinished | new)
            self._write()

    def _write(self) -> None:
        known = self._references
        content = {
            "sweep": known.sweep,
            "id": known.id,
            "host": known.host,
            "all": sorted(known.all),
            "unfinished": sorted(known.unfinished),
        }
        path = _path(self._storage, known)
        with trouble_at(f"storage {self._storage.root}"):
            self._storage.replace(path, json.dumps(content).encode())


def read_references(storage: Storage) -> tuple[References, ...]:
    """The lists of all sweeps in an object store. StorageError if one cannot be read."""
    folder = f"{storage.root}/sweeps"
    with trouble_at(f"storage {storage.root}"):
        paths = [each.path for each in storage.list_files(folder) if each.path.endswith(SUFFIX)]
        return tuple(_parse(f"{folder}/{path}", storage.read(f"{folder}/{path}")) for path in sorted(paths))


def forget(storage: Storage, references: References) -> None:
    """Delete the list of a sweep: from now on nothing keeps the stages that only this sweep needs."""
    with trouble_at(f"storage {storage.root}"):
        storage.delete(_path(storage, references))


def _path(storage: Storage, references: References) -> str:
    return f"{storage.root}/sweeps/{references.sweep}-{references.id}{SUFFIX}"


def _parse(path: str, text: bytes | None) -> References:
    try:
        content = json.loads(text or b"")
        return References(
            sweep=str(content["sweep"]),
            id=str(content["id"]),
            host=str(content["host"]),
            all=frozenset(content["all"]),
            unfinished=frozenset(content["unfinished"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} is damaged, so the stages of its sweep are unknown; run that sweep's command again on "
            "its machine, which writes the file anew"
        ) from error
