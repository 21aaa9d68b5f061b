"""Bundles and stages: whatever is accepted must be what was written."""

import functools
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.fuzzing.kinds import Kind
from benchmarks.fuzzing.mutations import bytes_damaged, either
from crtcore.config import SpectrogramConfig
from crtcore.model.backbones import build
from crtcore.prediction.bundle_content import BUNDLE_FILE
from crtcore.prediction.bundle_file import read_bundle, write_bundle
from crtcore.prediction.network import BACKBONE_FILE, HEAD_FILE, BeatModel
from crtcore.prediction.predictor import Predictor, Preparation
from crtcore.stages.stage import Stage
from crtcore.stages.store import MANIFEST, StageStore

STAGE: Final = Stage(name="toy", config={"depth": 18}, inputs=("abc",), version=1)
FACTS: Final[dict[str, Any]] = {"auc": 0.75, "symbols": {"N": 3}}
CONTENT: Final = b"0123456789" * 20
PREPARATION: Final = Preparation(spectrogram=SpectrogramConfig(), leads=("II", "V1"), max_beats=7)


def stored_kinds() -> tuple[Kind, ...]:
    """Stage files, and bundles: changed, changed and signed again, and changed in their weights."""
    return (
        Kind(
            name="stage manifest",
            write=_write_stage,
            damage=either,
            read=_read_stage,
            disagreement=_stage_differs,
        ),
        Kind(
            name="stage file",
            write=lambda folder: _write_stage(folder).with_name("a"),
            damage=either,
            read=_read_stage,
            disagreement=_stage_differs,
        ),
        *(
            Kind(
                name=name,
                write=functools.partial(_bundle_part, part=part),
                damage=damage,
                read=lambda path: read_bundle(path.parent),
                disagreement=_bundle_differs,
                share=0.1,
            )
            for name, part, damage in (
                ("bundle", BUNDLE_FILE, either),
                ("bundle signed again", BUNDLE_FILE, _signed_again),
                ("bundle head", HEAD_FILE, either),
                ("bundle backbone", BACKBONE_FILE, bytes_damaged),
            )
        ),
    )


def _write_stage(folder: Path) -> Path:
    store = StageStore(str(folder / "storage"), cache=folder / "cache")
    store.commit(STAGE, {"a": CONTENT}, FACTS)
    return folder / "storage" / "stages" / STAGE.name / STAGE.digest / MANIFEST


def _read_stage(path: Path) -> tuple[dict[str, Any], bytes] | None:
    root = path.parents[3]
    store = StageStore(str(root), cache=root.parent / "cache")
    manifest = store.find(STAGE)
    return None if manifest is None else (dict(manifest.facts), store.path(STAGE, "a").read_bytes())


def _stage_differs(path: Path, found: tuple[dict[str, Any], bytes] | None) -> str | None:
    return None if found in (None, (FACTS, CONTENT)) else "the stage is not what was committed"


@functools.cache
def _bundle() -> dict[str, bytes]:
    """The files of a bundle with a small head over an untrained ResNet-18."""
    torch.manual_seed(0)
    model = BeatModel(build(18, 0).backbone, num_leads=2, lead_fusion="mean")
    model.head.load_state_dict({key: torch.ones_like(each) for key, each in model.head.state_dict().items()})
    predictor = Predictor(model=model, preparation=PREPARATION, threshold=0.375, classes=("normal", "ill"))
    with tempfile.TemporaryDirectory() as name:
        write_bundle(Path(name) / "bundle", predictor, {"caveat": "A stand-in."})
        return {path.name: path.read_bytes() for path in (Path(name) / "bundle").iterdir()}


def _bundle_part(folder: Path, *, part: str) -> Path:
    for name, content in _bundle().items():
        (folder / name).write_bytes(content)
    return folder / part


def _signed_again(content: bytes, generator: np.random.Generator) -> bytes:
    """Another value for a key, with a digest that fits."""
    values = json.loads(content)
    del values["sha256"]
    keys = sorted(values)
    hostile: tuple[Any, ...] = (
        float("nan"),
        float("inf"),
        -1,
        2,
        1e308,
        "",
        "x" * 1000,
        None,
        [],
        {},
        ["II", "II"],
        ["II"],
        True,
    )
    values[keys[generator.integers(len(keys))]] = hostile[generator.integers(len(hostile))]
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return json.dumps(values | {"sha256": digest}).encode()


def _bundle_differs(path: Path, found: Predictor) -> str | None:
    """What a user would not notice: other leads, classes, or a threshold that decides for everybody."""
    if not 0 <= found.threshold <= 1 or len(set(found.classes)) != 2:
        return f"threshold {found.threshold}, classes {found.classes}"
    if found.preparation.leads != PREPARATION.leads:
        return f"leads {found.preparation.leads}"
    if not isinstance(found.model, BeatModel):
        return f"a {type(found.model).__name__}, not a network"
    finite = all(bool(torch.isfinite(each).all()) for each in found.model.state_dict().values())
    return None if finite else "weights that are not finite"
