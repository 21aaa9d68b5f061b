"""`bundle.json` is used as it was written, or one sentence says why not."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from crtcore.config import SpectrogramConfig
from crtcore.errors import StorageError
from crtcore.prediction.bundle_content import BUNDLE_FILE, digest_of, read_content

CONTENT: dict[str, Any] = {
    "format": "crtsearch bundle",
    "version": 1,
    "kind": "linear",
    "spectrogram": SpectrogramConfig().model_dump(mode="json"),
    "leads": ["II", "V1"],
    "max_beats_per_recording": 7,
    "amplitude": False,
    "refused_flags": ["flat"],
    "threshold": 0.375,
    "classes": ["normal", "ill"],
    "model_card": {"caveat": "A stand-in."},
    "files": {"linear.json": "0"},
}


def write(folder: Path, content: dict[str, Any]) -> None:
    """Sign the content, as another program might."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert digest == digest_of(content)
    (folder / BUNDLE_FILE).write_text(json.dumps(content | {"sha256": digest}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, CONTENT)
    return tmp_path


def test_all_values_come_back(folder: Path) -> None:
    found = read_content(folder)
    assert found.model_dump(mode="json", exclude={"sha256"}) == CONTENT
    write(folder, {key: value for key, value in CONTENT.items() if key != "kind"})
    assert read_content(folder).kind == "network"  # a bundle of an earlier version


def test_what_is_no_bundle_or_was_altered_is_refused(folder: Path) -> None:
    content = json.loads((folder / BUNDLE_FILE).read_text())
    (folder / BUNDLE_FILE).write_text(json.dumps(content | {"threshold": 0.1}))
    with pytest.raises(StorageError, match="does not match its SHA-256"):
        read_content(folder)
    (folder / BUNDLE_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="is not JSON"):
        read_content(folder)
    (folder / BUNDLE_FILE).unlink()
    with pytest.raises(StorageError, match="is no bundle"):
        read_content(folder)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "forest"}, "kind cannot be used"),
        ({"version": 99}, "is not of version 1 of a crtsearch bundle"),
        ({"format": "another"}, "is not of version 1 of a crtsearch bundle"),
        ({"leads": 3}, "leads cannot be used"),
        ({"leads": []}, "leads cannot be used"),
        ({"leads": ["II", "II"]}, "leads are not different names"),
        ({"refused_flags": ["sleepy"]}, r"refused_flags\.0 cannot be used"),
        ({"unknown": 1}, "unknown cannot be used"),
        ({"threshold": math.nan}, "threshold cannot be used .*finite number"),
        ({"threshold": math.inf}, "threshold cannot be used"),
        ({"threshold": 1.5}, "threshold cannot be used .*less than or equal to 1"),
        ({"threshold": -0.1}, "threshold cannot be used"),
        ({"max_beats_per_recording": 0}, "max_beats_per_recording"),
        ({"classes": ["ill", "ill"]}, "classes are not different names"),
        ({"classes": ["", "ill"]}, "classes are not different names"),
    ],
)
def test_what_this_version_cannot_use_is_named(folder: Path, changes: dict[str, Any], fault: str) -> None:
    write(folder, CONTENT | changes)
    with pytest.raises(StorageError, match=fault):
        read_content(folder)
