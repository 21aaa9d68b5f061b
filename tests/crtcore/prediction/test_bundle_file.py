"""The bundle's folder: all of it comes back, or one sentence says why not."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from crtcore.config import SpectrogramConfig
from crtcore.errors import ConfigError, StorageError
from crtcore.model.backbones import build
from crtcore.prediction.bundle_file import BUNDLE_FILE, read_bundle, read_model_card, write_bundle
from crtcore.prediction.network import HEAD_FILE, BeatModel
from crtcore.prediction.predictor import Predictor, Preparation


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(
        model=BeatModel(build(18, 0).backbone, num_leads=2, lead_fusion="mean", num_scalars=1),
        preparation=Preparation(
            spectrogram=SpectrogramConfig(window="hann", window_length=128),
            leads=("II", "V1"),
            max_beats=7,
            amplitude=True,
            refused=("flat",),
        ),
        threshold=0.375,
        classes=("normal", "ill"),
    )


@pytest.fixture
def bundle(predictor: Predictor, tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", predictor, {"caveat": "A stand-in."})
    return tmp_path / "bundle"


def rewrite(bundle: Path, changes: dict[str, Any]) -> None:
    """Change the content and sign it again, as another program might."""
    content = json.loads((bundle / BUNDLE_FILE).read_text()) | changes
    del content["sha256"]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (bundle / BUNDLE_FILE).write_text(json.dumps(content | {"sha256": digest}))


def test_all_settings_come_back(predictor: Predictor, bundle: Path) -> None:
    found = read_bundle(bundle)
    assert found.preparation == predictor.preparation
    assert (found.threshold, found.classes) == (0.375, ("normal", "ill"))
    assert (found.model.num_leads, found.model.lead_fusion, found.model.num_scalars) == (2, "mean", 1)
    assert read_model_card(bundle) == {"caveat": "A stand-in."}
    assert not list(bundle.parent.glob(".*"))  # the draft is gone


def test_nothing_is_written_over(predictor: Predictor, bundle: Path) -> None:
    with pytest.raises(ConfigError, match="exists and is not an empty folder"):
        write_bundle(bundle, predictor, {})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": 99}, "is not of version 1 of a crtsearch bundle"),
        ({"format": "another"}, "is not of version 1 of a crtsearch bundle"),
        ({"leads": 3}, "leads cannot be read"),
        ({"refused_flags": ["sleepy"]}, "refused_flags.0 cannot be read"),
        ({"unknown": 1}, "unknown cannot be read"),
    ],
)
def test_what_this_version_cannot_read_is_named(bundle: Path, changes: dict[str, Any], fault: str) -> None:
    rewrite(bundle, changes)
    with pytest.raises(StorageError, match=fault):
        read_bundle(bundle)


def test_a_file_that_is_missing_or_no_json_is_named(bundle: Path) -> None:
    (bundle / HEAD_FILE).unlink()
    with pytest.raises(StorageError, match=rf"{HEAD_FILE} is missing"):
        read_bundle(bundle)
    (bundle / BUNDLE_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="is not JSON"):
        read_model_card(bundle)
