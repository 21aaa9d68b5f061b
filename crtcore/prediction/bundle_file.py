"""A predictor as a folder: two safetensors files for each network, and `bundle.json` with everything else.
Beside them may lie what is known of the training recordings (`training_record.py`).

Reading a bundle never runs code from it. `bundle.json` holds the SHA-256 of every other file and of its own
content, so a changed bundle is refused. SHA-256 does not say who wrote the bundle, so all values are checked
too.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from crtcore.config import QualityFlag, SpectrogramConfig
from crtcore.errors import ConfigError, StorageError
from crtcore.prediction.network import (
    MAX_LEADS,
    MAX_NETWORKS,
    count_networks,
    encode_model,
    file_names,
    load_model,
    takes_waveforms,
)
from crtcore.prediction.predictor import Predictor, Preparation
from crtcore.prediction.training_record import (
    TRAINING_FILES,
    TrainingRecord,
    decode_training_record,
    encode_training_record,
)
from crtcore.settings import Settings
from crtcore.stages.atomic import atomically
from crtcore.stages.store import sha256_of

Kind = Literal["network", "networks"]
BUNDLE_FILE: Final = "bundle.json"
FORMAT: Final = "crtsearch bundle"
VERSION: Final = 1


class _Content(Settings):
    """`bundle.json`, validated."""

    format: str
    version: int
    kind: Kind = "network"  # bundles of earlier versions do not say it
    spectrogram: SpectrogramConfig
    leads: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_LEADS)]
    max_beats_per_recording: Annotated[int, Field(ge=1)] | None
    amplitude: bool
    refused_flags: tuple[QualityFlag, ...]
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    classes: tuple[str, str]
    model_card: dict[str, Any]
    files: dict[str, str]
    sha256: str

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for key in ("leads", "classes"):
            names = getattr(self, key)
            if len(set(names)) < len(names) or not all(names):
                raise ValueError(f"{key} are not different names")
        return self


def write_bundle(
    folder: Path,
    predictor: Predictor,
    model_card: Mapping[str, Any],
    training: TrainingRecord | None = None,
    *,
    pages: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a bundle into `folder`, which appears whole or not at all.

    `pages` are texts for people, by file name. They may be edited later, so `bundle.json` does not list them.
    ConfigError if something lies there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not an empty folder; give another with -o, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    files = encode_model(predictor.model) | ({} if training is None else encode_training_record(training))
    preparation = predictor.preparation
    content = {
        "format": FORMAT,
        "version": VERSION,
        "kind": "network" if count_networks(files) == 1 else "networks",
        "spectrogram": preparation.spectrogram.model_dump(mode="json"),
        "leads": list(preparation.leads),
        "max_beats_per_recording": preparation.max_beats,
        "amplitude": preparation.amplitude,
        "refused_flags": list(preparation.refused),
        "threshold": predictor.threshold,
        "classes": list(predictor.classes),
        "model_card": dict(model_card),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    text = json.dumps(content | {"sha256": _digest(content)}, indent=1, allow_nan=False)
    with atomically(folder) as draft:
        draft.mkdir()
        for name, data in files.items():
            (draft / name).write_bytes(data)
        for name, page in pages.items():
            (draft / name).write_text(page, encoding="utf-8")
        (draft / BUNDLE_FILE).write_text(text + "\n", encoding="utf-8")


def read_bundle(folder: Path) -> Predictor:
    """The predictor in `folder`, checked whole: files, shapes, leads, and every number.

    StorageError if it is no bundle, of another version, or holds anything that this version did not export.
    """
    content = _content(folder)
    num_networks = _num_networks(folder, content)
    weights = [name for pair in file_names(num_networks) for name in pair]
    for name in (*weights, *_training_files(content)):
        path = folder / name
        if not path.is_file() or sha256_of(path) != content.files.get(name):
            fault = "does not match its SHA-256" if path.is_file() else "is missing"
            raise StorageError(
                f"{path} {fault}: the bundle was altered or copied in part; export or copy it again"
            )
    model = load_model(lambda name: folder / name, num_networks)
    if (model.num_leads, model.num_scalars) != (len(content.leads), int(content.amplitude)):
        raise StorageError(
            f"{folder}: {weights[1]} and {BUNDLE_FILE} disagree about leads or amplitude; export it again"
        )
    return Predictor(
        model=model,
        preparation=Preparation(
            spectrogram=content.spectrogram,
            leads=content.leads,
            max_beats=content.max_beats_per_recording,
            amplitude=content.amplitude,
            waveform=takes_waveforms(model),
            refused=content.refused_flags,
        ),
        threshold=content.threshold,
        classes=content.classes,
    )


def read_training_record(folder: Path) -> TrainingRecord:
    """What the bundle in `folder`, which `read_bundle` has checked, says of its training recordings."""
    return decode_training_record(folder, _training_files(_content(folder)))


def read_model_card(folder: Path) -> dict[str, Any]:
    """What the bundle says of its model."""
    return _content(folder).model_card


def _num_networks(folder: Path, content: _Content) -> int:
    """How many networks a bundle of its kind holds. StorageError if its files say something else."""
    found = count_networks(content.files)
    if (found > 1) != (content.kind == "networks") or found > MAX_NETWORKS:
        raise StorageError(
            f"{folder / BUNDLE_FILE} is of kind {content.kind} and lists {found} networks; export it again"
        )
    return found


def _training_files(content: _Content) -> list[str]:
    return [name for name in TRAINING_FILES if name in content.files]


def _content(folder: Path) -> _Content:
    path = folder / BUNDLE_FILE
    if not path.is_file():
        raise StorageError(
            f"{folder} is no bundle (it has no {BUNDLE_FILE}); write one with `crtsearch export`"
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError) as error:
        raise StorageError(f"{path} is not JSON ({error}); export the bundle again") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT or raw.get("version") != VERSION:
        raise StorageError(f"{path} is not of version {VERSION} of a {FORMAT}; export it with this crtsearch")
    if raw.get("sha256") != _digest({key: value for key, value in raw.items() if key != "sha256"}):
        raise StorageError(f"{path} does not match its SHA-256: it was altered; export the bundle again")
    try:
        return _Content.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "its content"
        raise StorageError(
            f"{path}: {place} cannot be used ({first['msg']}); export it with this crtsearch"
        ) from error


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
