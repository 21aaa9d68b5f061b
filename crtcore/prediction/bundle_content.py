"""`bundle.json`: everything of a bundle but its weights, with the SHA-256 of its files and of itself."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from crtcore.config import QualityFlag, SpectrogramConfig
from crtcore.errors import StorageError
from crtcore.prediction.network import MAX_LEADS
from crtcore.settings import Settings

Kind = Literal["network", "networks", "linear"]
BUNDLE_FILE: Final = "bundle.json"
FORMAT: Final = "crtsearch bundle"
VERSION: Final = 1


class BundleContent(Settings):
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


def read_content(folder: Path) -> BundleContent:
    """What `bundle.json` in `folder` says. StorageError if it is missing, altered or cannot be used."""
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
    if raw.get("sha256") != digest_of({key: value for key, value in raw.items() if key != "sha256"}):
        raise StorageError(f"{path} does not match its SHA-256: it was altered; export the bundle again")
    try:
        return BundleContent.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "its content"
        raise StorageError(
            f"{path}: {place} cannot be used ({first['msg']}); export it with this crtsearch"
        ) from error


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content without its own digest."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
