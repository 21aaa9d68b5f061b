"""What lies in a storage that no sweep refers to, and removing it.

Sweeps refer to the stages in their studies, and these to the stages that they were made from. A sweep whose
record lies elsewhere (in an object store, one that another machine drove) is not known here, and so its
stages look like nobody's: that is why nothing is removed unless it is asked for.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow.fs as pafs

from crtcore.config import Experiment
from crtcore.stages.stage import StageKey
from crtcore.stages.store import MANIFEST, StageStore
from search.study.attributes import DIGESTS, STAGES
from search.study.folder import sweep_names
from search.study.study import open_study

MIN_AGE_S = 24 * 3600.0  # what is younger may be somebody's work in progress
PROGRESS_SUFFIX = ".progress"
ATTEMPT_PREFIX = ".tmp-"

Kind = Literal["stage", "unfinished stage", "checkpoint"]


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that nobody refers to: a committed stage, one whose commit or removal was cut short, or the
    epoch checkpoint of a stage that nobody will go on with. `path` is relative to the stages' folder.
    """

    kind: Kind
    path: str
    num_bytes: int
    age_s: float


@dataclass(frozen=True, kw_only=True)
class Housekeeping:
    """What was found in a storage, and whether the leftovers were removed."""

    storage: str
    sweeps: tuple[str, ...]
    num_stages_kept: int
    num_bytes_kept: int
    leftovers: tuple[Leftover, ...]
    is_removed: bool

    def sentences(self) -> tuple[str, ...]:
        """The result in words: what is kept for whom, what is not, and what to do about it."""
        num_bytes = sum(leftover.num_bytes for leftover in self.leftovers)
        kept = f"{self.num_stages_kept} stages, {_size(self.num_bytes_kept)}"
        if not self.leftovers:
            end = "Nothing else is there that could be removed."
        elif self.is_removed:
            end = f"Removed {len(self.leftovers)} leftovers, {_size(num_bytes)}."
        else:
            end = (
                f"{len(self.leftovers)} leftovers, {_size(num_bytes)}, are referred to by none of them; look "
                "through the list, then remove it with --remove."
            )
        return (f"Kept in {self.storage} for {', '.join(self.sweeps) or 'no sweep'}: {kept}.", end)

    def to_json(self) -> str:
        """Everything, as one JSON object."""
        return json.dumps(asdict(self), indent=1)


@dataclass(frozen=True, kw_only=True)
class SweepSize:
    """What a sweep takes on the disk: all its stages, and those that it shares with no other sweep."""

    num_stages: int
    num_bytes: int
    num_bytes_alone: int

    def sentence(self) -> str:
        """The size in words."""
        alone = _size(self.num_bytes_alone)
        return (
            f"On disk: {_size(self.num_bytes)} in {self.num_stages} stages, {alone} of it for no other sweep."
        )


def housekeep(storage: str, *, remove: bool = False, min_age_s: float = MIN_AGE_S) -> Housekeeping:
    """List, and with `remove` remove, what no sweep in `storage` refers to and is older than `min_age_s`.

    Raises SweepError if a study cannot be read: what its sweep needs would be unknown.
    """
    shelf = _Shelf(storage)
    sweeps = sweep_names(storage)
    references = [_references(storage, name) for name in sweeps]
    kept = shelf.closure(set().union(*(reference.all for reference in references)))
    unfinished = set().union(*(reference.unfinished for reference in references))
    leftovers = tuple(
        leftover for leftover in shelf.leftovers(kept, unfinished) if leftover.age_s >= min_age_s
    )
    if remove:
        for leftover in leftovers:
            shelf.remove(leftover)
    return Housekeeping(
        storage=storage,
        sweeps=sweeps,
        num_stages_kept=len(kept & shelf.stages.keys()),
        num_bytes_kept=shelf.num_bytes(kept),
        leftovers=leftovers,
        is_removed=remove,
    )


def sweep_size(storage: str, name: str) -> SweepSize:
    """What sweep `name` takes on the disk. SweepError if there is no such sweep."""
    shelf = _Shelf(storage)
    own = shelf.closure(_references(storage, name).all)
    others: set[str] = set()
    for other in sweep_names(storage):
        if other != name:
            others |= shelf.closure(_references(storage, other).all)
    return SweepSize(
        num_stages=len(own & shelf.stages.keys()),
        num_bytes=shelf.num_bytes(own),
        num_bytes_alone=shelf.num_bytes(own - others),
    )


@dataclass(frozen=True, kw_only=True)
class _References:
    """Digests that a sweep names itself: of `all` its stages, and of those of `unfinished` trials."""

    all: frozenset[str]
    unfinished: frozenset[str]


def _references(storage: str, name: str) -> _References:
    study = open_study(storage, name, create=False)
    digests, unfinished = set(DIGESTS.of(study).values()), set()
    for trial in study.get_trials(deepcopy=False):
        own = {digest for digest in STAGES.of(trial).values() if digest is not None}
        digests |= own
        if not trial.state.is_finished():
            unfinished |= own
    return _References(all=frozenset(digests), unfinished=frozenset(unfinished))


@dataclass(kw_only=True)
class _Entry:
    """One folder or file beside others of its kind: `<stage>/<digest>`, with all that is in it."""

    num_bytes: int = 0
    changed_s: float = 0.0
    files: set[str] = field(default_factory=set)


class _Shelf:
    """The stages' folder of a storage, listed once."""

    def __init__(self, storage: str) -> None:
        # The cache matters to removals only: its copy of a stage goes with the stage.
        self._store = StageStore(storage, cache=Path(Experiment.model_fields["cache"].default))
        self._fs, root = (
            pafs.FileSystem.from_uri(storage)
            if "://" in storage
            else (pafs.LocalFileSystem(), str(Path(storage).expanduser().absolute()))
        )
        self._root = f"{root.rstrip('/')}/stages"
        self._entries: dict[str, _Entry] = defaultdict(_Entry)
        for info in self._fs.get_file_info(
            pafs.FileSelector(self._root, recursive=True, allow_not_found=True)
        ):
            parts = info.path.removeprefix(f"{self._root}/").split("/", 2)
            if info.type == pafs.FileType.File and len(parts) > 1:
                entry = self._entries["/".join(parts[:2])]
                entry.num_bytes += info.size
                entry.changed_s = max(entry.changed_s, info.mtime.timestamp() if info.mtime else 0.0)
                entry.files.add(parts[2] if len(parts) > 2 else "")
        self.stages: dict[str, str] = {}  # digest of a committed stage -> its place
        for place, entry in self._entries.items():
            name = place.split("/")[1]
            if MANIFEST in entry.files and not name.startswith(ATTEMPT_PREFIX):
                self.stages[name] = place

    def closure(self, digests: set[str] | frozenset[str]) -> set[str]:
        """`digests` and those of the committed stages that theirs were made from."""
        found: set[str] = set()
        waiting = list(digests)
        while waiting:
            digest = waiting.pop()
            if digest not in found:
                found.add(digest)
                waiting.extend(self._made_from(digest))
        return found

    def num_bytes(self, digests: set[str]) -> int:
        """Bytes of those stages that are committed."""
        return sum(self._entries[self.stages[digest]].num_bytes for digest in digests & self.stages.keys())

    def leftovers(self, kept: set[str], unfinished: set[str]) -> Iterator[Leftover]:
        """All that is neither a stage in `kept` nor the checkpoint of one in `unfinished`."""
        now_s = time.time()
        for place, entry in sorted(self._entries.items()):
            kind, digest = self._kind(place)
            if digest not in (unfinished if kind == "checkpoint" else kept) or kind == "unfinished stage":
                age_s = max(0.0, now_s - entry.changed_s)
                yield Leftover(kind=kind, path=place, num_bytes=entry.num_bytes, age_s=age_s)

    def remove(self, leftover: Leftover) -> None:
        """Remove it; nothing is done if it is gone."""
        stage, name = leftover.path.split("/")
        path = f"{self._root}/{leftover.path}"
        if leftover.kind == "stage":
            self._store.discard(StageKey(name=stage, digest=name))
        elif leftover.kind == "checkpoint":
            self._fs.delete_file(path)
        else:
            self._fs.delete_dir(path)

    def _kind(self, place: str) -> tuple[Kind, str]:
        name = place.split("/")[1]
        if "" in self._entries[place].files:  # a file beside the stages, not a folder
            return "checkpoint", name.partition(PROGRESS_SUFFIX)[0]
        if name in self.stages:
            return "stage", name
        return "unfinished stage", name

    def _made_from(self, digest: str) -> list[str]:
        place = self.stages.get(digest)
        if place is None:
            return []
        with self._fs.open_input_file(f"{self._root}/{place}/{MANIFEST}") as stream:
            manifest: Mapping[str, Any] = json.loads(stream.readall())
        shards = (shard for key in ("shards", "excluded") for shard in manifest["facts"].get(key, ()))
        return [*manifest["inputs"], *(shard["digest"] for shard in shards)]


def _size(num_bytes: int) -> str:
    size, unit = float(num_bytes), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
