"""What lies in the `stages` folder of a storage: committed stages, unfinished ones and epoch checkpoints."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from crtcore.stages.stage import StageKey, StageManifest
from crtcore.stages.store import ATTEMPT_PREFIX, MANIFEST, PROGRESS_SUFFIX, StageStore

Kind = Literal["stage", "unfinished stage", "checkpoint"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One folder or file `<stage>/<name>`. `path` is relative to the `stages` folder; `digest` is that of the
    stage it belongs to; `changed_s` is the Unix time of the newest file in it.

    An `unfinished stage` is the rest of a commit or removal that was interrupted.
    """

    kind: Kind
    path: str
    digest: str
    num_bytes: int
    changed_s: float

    @property
    def key(self) -> StageKey:
        """The address of a committed stage."""
        return StageKey(name=self.path.partition("/")[0], digest=self.digest)


@dataclass(kw_only=True)
class _Files:
    """The files of an entry, added up; the name of a single file is ""."""

    num_bytes: int = 0
    changed_s: float = 0.0
    names: set[str] = field(default_factory=set)


class Listing:
    """The stages of a store, listed once. StorageError if a manifest that is asked for is damaged."""

    def __init__(self, store: StageStore) -> None:
        self._store = store
        files: dict[str, _Files] = defaultdict(_Files)
        for file in store.list_files():
            stage, _, rest = file.path.partition("/")
            name, _, inner = rest.partition("/")
            if name:
                found = files[f"{stage}/{name}"]
                found.num_bytes += file.num_bytes
                found.changed_s = max(found.changed_s, file.changed_s)
                found.names.add(inner)
        self.entries = tuple(_entry(path, found) for path, found in sorted(files.items()))
        self.stages: Mapping[str, Entry] = {
            entry.digest: entry for entry in self.entries if entry.kind == "stage"
        }

    def manifest(self, digest: str) -> StageManifest | None:
        """The manifest of a committed stage, None if there is no such stage."""
        entry = self.stages.get(digest)
        return None if entry is None else self._store.find(entry.key)

    def closure(self, digests: Iterable[str]) -> set[str]:
        """`digests`, and those of all stages that the committed ones among them were made from."""
        found: set[str] = set()
        waiting = list(digests)
        while waiting:
            digest = waiting.pop()
            manifest = None if digest in found else self.manifest(digest)
            found.add(digest)
            if manifest is not None:
                shards = [*manifest.facts.get("shards", ()), *manifest.facts.get("excluded", ())]
                waiting += [*manifest.inputs, *(shard["digest"] for shard in shards)]
        return found

    def num_bytes(self, digests: Iterable[str]) -> int:
        """Bytes of those stages that are committed."""
        return sum(self.stages[digest].num_bytes for digest in set(digests) & self.stages.keys())

    def remove(self, entry: Entry) -> None:
        """Delete the entry from the storage, and its local copy from the cache."""
        if entry.kind == "stage":
            self._store.discard(entry.key)
        elif entry.kind == "checkpoint":
            self._store.delete_file(entry.path)
        else:
            self._store.delete_folder(entry.path)


def _entry(path: str, files: _Files) -> Entry:
    name = path.partition("/")[2]
    kind: Kind
    if "" in files.names:  # a file beside the stages' folders
        kind, digest = "checkpoint", name.partition(PROGRESS_SUFFIX)[0]
    elif MANIFEST in files.names and not name.startswith(ATTEMPT_PREFIX):
        kind, digest = "stage", name
    else:
        kind, digest = "unfinished stage", name.removeprefix(ATTEMPT_PREFIX).partition("-")[0]
    return Entry(kind=kind, path=path, digest=digest, num_bytes=files.num_bytes, changed_s=files.changed_s)
