"""What lies in a storage that no sweep refers to, and removing it.

Sweeps refer to stages, and stages to the stages that they were made from. On an object store, the sweeps of
other machines count too: each leaves a list of its stages there (see references.py). Versions before 0.2 left
no such list. What they built, or may still need, is kept unless the user insists.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import humanize

from crtcore.errors import SweepError
from crtcore.stages.listing import Entry, Kind, Listing
from crtcore.stages.storage import Storage
from search.study.folder import stage_store, sweep_names
from search.study.references import References, forget, read_references, references_of
from search.study.study import open_study

MIN_AGE_S = 24 * 3600.0  # younger files may be work in progress


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that no sweep refers to: a committed stage, the rest of an interrupted commit or removal, or
    the epoch checkpoint of a trial that will not resume.

    `path` is relative to the `stages` folder. `is_known` is false if a sweep that left no list may need it.
    """

    kind: Kind
    path: str
    num_bytes: int
    age_s: float
    is_known: bool


@dataclass(frozen=True, kw_only=True)
class Housekeeping:
    """What was found in a storage. `sweeps` are the sweeps whose references were read; `num_removed` counts
    the leftovers that were removed.
    """

    storage: str
    sweeps: tuple[str, ...]
    num_stages_kept: int
    num_bytes_kept: int
    leftovers: tuple[Leftover, ...]
    num_removed: int

    def sentences(self) -> tuple[str, ...]:
        """The result in words: what is kept for which sweeps, what is left over, and what to do about it."""
        kept = f"{self.num_stages_kept} stages, {_size(self.num_bytes_kept)}"
        sentences = [f"Kept in {self.storage} for {', '.join(self.sweeps) or 'no sweep'}: {kept}."]
        known = [each for each in self.leftovers if each.is_known]
        unknown = [each for each in self.leftovers if not each.is_known]
        if not self.leftovers:
            sentences.append("Nothing else is there that could be removed.")
        if self.num_removed:
            removed = self.leftovers if self.num_removed == len(self.leftovers) else known
            sentences.append(f"Removed {len(removed)} leftovers, {_size_of(removed)}.")
        elif known:
            sentences.append(
                f"No sweep refers to {len(known)} leftovers, {_size_of(known)}; look through the list, then "
                "remove them with --remove."
            )
        if unknown and self.num_removed != len(self.leftovers):
            sentences.append(
                f"{len(unknown)} more, {_size_of(unknown)}, were built by a version that left no list of its "
                "sweeps' stages, so a sweep of another machine may need them: they are kept. Run those "
                "sweeps once more with this version, or remove them too with --remove --include-unknown."
            )
        return tuple(sentences)

    def to_json(self) -> str:
        """Everything, as one JSON object."""
        return json.dumps(asdict(self), indent=1)


def housekeep(
    storage: str, *, remove: bool = False, include_unknown: bool = False, min_age_s: float = MIN_AGE_S
) -> Housekeeping:
    """List what no sweep in `storage` refers to and is older than `min_age_s`; with `remove`, remove it.

    Leftovers that are not `is_known` are removed only if `include_unknown` is true too. Raises SweepError or
    StorageError if a study or a list of references cannot be read, because what its sweep needs is then
    unknown.
    """
    store = stage_store(storage)
    listing = Listing(store)
    references = _all_references(storage)
    kept = listing.closure(digest for each in references for digest in each.all)
    leftovers = {
        entry: leftover
        for entry, leftover in _leftovers(listing, references, kept, is_local=store.is_local)
        if leftover.age_s >= min_age_s
    }
    doomed = [
        entry for entry, leftover in leftovers.items() if remove and (leftover.is_known or include_unknown)
    ]
    for entry in doomed:
        listing.remove(entry)
    return Housekeeping(
        storage=storage,
        sweeps=tuple(_shown(each) for each in references),
        num_stages_kept=len(kept & listing.stages.keys()),
        num_bytes_kept=listing.num_bytes(kept),
        leftovers=tuple(leftovers.values()),
        num_removed=len(doomed),
    )


def forget_sweep(storage: str, name: str) -> None:
    """Delete what the sweeps `name` of other machines left in an object store to keep their stages.

    SweepError if the sweep lies on this machine, or if there is no such list.
    """
    if name in sweep_names(storage):
        raise SweepError(f"the record of sweep {name} is on this machine; delete its folder instead")
    place = Storage(storage)
    lists = [each for each in _lists(place) if each.sweep == name]
    if not lists:
        raise SweepError(f"no sweep {name!r} has left a list of its stages in {storage}")
    for each in lists:
        forget(place, each)


def _lists(storage: Storage) -> tuple[References, ...]:
    return () if storage.is_local else read_references(storage)


def _all_references(storage: str) -> list[References]:
    """Of the studies that this machine can read, then of all others that left a list."""
    own = [references_of(open_study(storage, name, create=False)) for name in sweep_names(storage)]
    ids = {each.id for each in own}
    return own + [each for each in _lists(Storage(storage)) if each.id not in ids]


def _shown(references: References) -> str:
    return references.sweep if not references.id else f"{references.sweep} (on {references.host})"


def _leftovers(
    listing: Listing, references: list[References], kept: set[str], *, is_local: bool
) -> Iterator[tuple[Entry, Leftover]]:
    """All entries that are neither a stage in `kept` nor the checkpoint of an unfinished trial."""
    now_s = time.time()
    named = frozenset(digest for each in references for digest in each.all)
    unfinished = frozenset(digest for each in references for digest in each.unfinished)
    for entry in listing.entries:
        if entry.kind == "stage":
            is_needed = entry.digest in kept
            manifest = listing.manifest(entry.digest)
            is_known = manifest is not None and manifest.is_referenced
        elif entry.kind == "checkpoint":
            is_needed = entry.digest in unfinished
            is_known = entry.digest in named or entry.digest in listing.stages
        else:
            is_needed, is_known = False, True
        if not is_needed:
            yield (
                entry,
                Leftover(
                    kind=entry.kind,
                    path=entry.path,
                    num_bytes=entry.num_bytes,
                    age_s=max(0.0, now_s - entry.changed_s),
                    is_known=is_local or is_known,
                ),
            )


def _size_of(leftovers: "tuple[Leftover, ...] | list[Leftover]") -> str:
    return _size(sum(each.num_bytes for each in leftovers))


def _size(num_bytes: int) -> str:
    return humanize.naturalsize(num_bytes)
