"""A predictor as a folder: its weights, `bundle.json` (`bundle_content.py`), and what lies beside them.

Weights are two safetensors files for each network, or `linear.json` of a simple model. Beside them may lie
what is known of the training recordings (`training_record.py`), and `comparators/`: the simple models of the
same sweep, each in a bundle inside the bundle.

Reading a bundle never runs code from it. `bundle.json` holds the SHA-256 of every other file and of its own
content, so a changed bundle is refused. SHA-256 does not say who wrote the bundle, so all values are checked
too.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from crtcore.config import SIMPLE_MODELS, SimpleModel
from crtcore.errors import ConfigError, StorageError
from crtcore.prediction.bundle_content import (
    BUNDLE_FILE,
    FORMAT,
    VERSION,
    BundleContent,
    Kind,
    digest_of,
    read_content,
)
from crtcore.prediction.linear import SimplePredictor, encode_linear, linear_files, load_linear
from crtcore.prediction.network import (
    MAX_NETWORKS,
    Model,
    count_networks,
    encode_model,
    file_names,
    load_model,
    networks_of,
    takes_waveforms,
)
from crtcore.prediction.predictor import Predictor, Preparation
from crtcore.prediction.training_record import (
    TRAINING_FILES,
    TrainingRecord,
    decode_training_record,
    encode_training_record,
)
from crtcore.stages.atomic import atomically
from crtcore.stages.store import sha256_of

COMPARATORS: Final = "comparators"  # the folder


def write_bundle(
    folder: Path,
    predictor: Predictor,
    model_card: Mapping[str, Any],
    training: TrainingRecord | None = None,
    *,
    comparators: Mapping[SimpleModel, Predictor] = MappingProxyType({}),
    pages: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a bundle into `folder`, which appears whole or not at all.

    `pages` are texts for people, by file name. They may be edited later, so `bundle.json` does not list them.
    ConfigError if something lies there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not an empty folder; give another with -o, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    files = {} if training is None else encode_training_record(training)
    beside: dict[str, bytes] = {}
    for kind, comparator in comparators.items():
        inner = _encoded(comparator, {}, {})
        files[_comparator_file(kind)] = inner.pop(BUNDLE_FILE)  # it holds the digests of the others
        beside |= {f"{COMPARATORS}/{kind}/{name}": data for name, data in inner.items()}
    with atomically(folder) as draft:
        draft.mkdir()
        for name, data in (_encoded(predictor, model_card, files) | beside).items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(data)
        for name, page in pages.items():
            (draft / name).write_text(page, encoding="utf-8")


def read_bundle(folder: Path) -> Predictor:
    """The predictor in `folder`, checked whole: files, shapes, leads, and every number.

    StorageError if it is no bundle, of another version, or holds anything that this version did not export.
    """
    content = read_content(folder)
    weights = _weights(folder, content)
    comparators = [_comparator_file(kind) for kind in _comparators(content)]
    for name in (*weights, *_training_files(content), *comparators):
        path = folder / name
        if not path.is_file() or sha256_of(path) != content.files.get(name):
            fault = "does not match its SHA-256" if path.is_file() else "is missing"
            raise StorageError(
                f"{path} {fault}: the bundle was altered or copied in part; export or copy it again"
            )
    model = _load(folder, content, weights)
    return Predictor(
        model=model,
        preparation=Preparation(
            spectrogram=content.spectrogram,
            leads=content.leads,
            max_beats=content.max_beats_per_recording,
            amplitude=content.amplitude,
            waveform=model.takes_waveforms if isinstance(model, SimplePredictor) else takes_waveforms(model),
            refused=content.refused_flags,
        ),
        threshold=content.threshold,
        classes=content.classes,
    )


def read_comparators(folder: Path) -> dict[SimpleModel, Predictor]:
    """The simple models in the bundle in `folder`, which `read_bundle` has checked; the simplest first.

    StorageError if one cannot be used.
    """
    return {kind: read_bundle(folder / COMPARATORS / kind) for kind in _comparators(read_content(folder))}


def read_training_record(folder: Path) -> TrainingRecord:
    """What the bundle in `folder`, which `read_bundle` has checked, says of its training recordings."""
    return decode_training_record(folder, _training_files(read_content(folder)))


def read_model_card(folder: Path) -> dict[str, Any]:
    """What the bundle says of its model."""
    return read_content(folder).model_card


def _encoded(
    predictor: Predictor, model_card: Mapping[str, Any], others: Mapping[str, bytes]
) -> dict[str, bytes]:
    """All files of a bundle by name, `others` being those beside its weights."""
    model, preparation = predictor.model, predictor.preparation
    weights = encode_linear(model) if isinstance(model, SimplePredictor) else encode_model(model)
    files = weights | dict(others)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "kind": _kind(model),
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
    text = json.dumps(content | {"sha256": digest_of(content)}, indent=1, allow_nan=False)
    return files | {BUNDLE_FILE: f"{text}\n".encode()}


def _kind(model: Model | SimplePredictor) -> Kind:
    if isinstance(model, SimplePredictor):
        return "linear"
    return "network" if len(networks_of(model)) == 1 else "networks"


def _weights(folder: Path, content: BundleContent) -> tuple[str, ...]:
    """The files that hold the weights. StorageError if the bundle is said to be of another kind."""
    if content.kind == "linear":
        return linear_files(content.files)
    found = count_networks(content.files)
    if (found > 1) != (content.kind == "networks") or found > MAX_NETWORKS:
        raise StorageError(
            f"{folder / BUNDLE_FILE} is of kind {content.kind} and lists {found} networks; export it again"
        )
    return tuple(name for pair in file_names(found) for name in pair)


def _load(folder: Path, content: BundleContent, weights: tuple[str, ...]) -> Model | SimplePredictor:
    model: Model | SimplePredictor
    if content.kind == "linear":
        model = load_linear(folder.joinpath, content.leads, has_backbone=len(weights) > 1)
        shape = len(content.leads), 0
    else:
        model = load_model(folder.joinpath, count_networks(content.files))
        shape = model.num_leads, model.num_scalars
    if shape != (len(content.leads), int(content.amplitude)):
        raise StorageError(
            f"{folder}: {weights[-1]} and {BUNDLE_FILE} disagree about leads or amplitude; export it again"
        )
    return model


def _comparator_file(kind: SimpleModel) -> str:
    return f"{COMPARATORS}/{kind}/{BUNDLE_FILE}"


def _comparators(content: BundleContent) -> list[SimpleModel]:
    return [kind for kind in SIMPLE_MODELS if _comparator_file(kind) in content.files]


def _training_files(content: BundleContent) -> list[str]:
    return [name for name in TRAINING_FILES if name in content.files]
