"""What a bundle says of the recordings that its model was trained on: `cohort.json` and `seen.json`.

`cohort.json` has the mean, SD and number of values of each measure of the training cohort. `seen.json` has
hashes of every recording of training and pre-training, from which no signal can be read back. Bundles of
earlier versions have neither.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, ValidationError

from crtcore.errors import StorageError
from crtcore.evaluation.cohort_difference import Summary
from crtcore.settings import Settings
from crtcore.signal.fingerprint import Fingerprint, is_known

COHORT_FILE: Final = "cohort.json"
SEEN_FILE: Final = "seen.json"
TRAINING_FILES: Final = (COHORT_FILE, SEEN_FILE)
_VERSION: Final = 1

Number = Annotated[float, Field(allow_inf_nan=False)]


class _Summary(Settings):
    mean: Number
    sd: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    num: Annotated[int, Field(ge=1)]


class _Cohort(Settings):
    version: int
    variables: dict[str, _Summary]


class _Seen(Settings):
    version: int
    files: tuple[str, ...]
    pieces: tuple[str, ...]


_Content = TypeVar("_Content", _Cohort, _Seen)


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """The training cohort's summary by variable, SHA-256 of the recordings' files, and hashes of the signals
    (`crtcore/signal/fingerprint.py`). None where the bundle does not say.
    """

    cohort: Mapping[str, Summary] | None
    files: frozenset[str] | None
    pieces: frozenset[str] | None

    def has_seen(self, file_hash: str, found: Fingerprint) -> bool:
        """Whether a recording was in training or pre-training: the same files, or the same signal."""
        assert self.files is not None and self.pieces is not None
        return file_hash in self.files or is_known(found, self.pieces)


def encode_training_record(record: TrainingRecord) -> dict[str, bytes]:
    """The files of a record, by name."""
    assert record.cohort is not None and record.files is not None and record.pieces is not None
    cohort = {
        "version": _VERSION,
        "variables": {
            name: {"mean": each.mean, "sd": each.sd, "num": each.num} for name, each in record.cohort.items()
        },
    }
    seen = {"version": _VERSION, "files": sorted(record.files), "pieces": sorted(record.pieces)}
    return {COHORT_FILE: _encode(cohort), SEEN_FILE: _encode(seen)}


def decode_training_record(folder: Path, names: Collection[str]) -> TrainingRecord:
    """The record from those files of `folder` that are among `names`; their hashes were checked.

    StorageError if a file is of another version or holds what this version did not write.
    """
    cohort = _read(folder / COHORT_FILE, _Cohort) if COHORT_FILE in names else None
    seen = _read(folder / SEEN_FILE, _Seen) if SEEN_FILE in names else None
    return TrainingRecord(
        cohort=None
        if cohort is None
        else {name: Summary(**each.model_dump()) for name, each in cohort.variables.items()},
        files=None if seen is None else frozenset(seen.files),
        pieces=None if seen is None else frozenset(seen.pieces),
    )


def _read(path: Path, kind: type[_Content]) -> _Content:
    try:
        content = kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise StorageError(f"{path} cannot be used ({first['msg']}); export the bundle again") from error
    if content.version != _VERSION:
        raise StorageError(
            f"{path} is of version {content.version}, not {_VERSION}; export it with this crtsearch"
        )
    return content


def _encode(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
