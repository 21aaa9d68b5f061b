"""A bundle is read back whole, or one sentence says why not."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from crtcore.config import SpectrogramConfig
from crtcore.errors import ConfigError, StorageError
from crtcore.evaluation.cohort_difference import Summary
from crtcore.model.backbones import build
from crtcore.model.checkpoint import decode_tensors, encode_tensors
from crtcore.prediction.bundle_content import BUNDLE_FILE
from crtcore.prediction.bundle_file import (
    read_bundle,
    read_model_card,
    read_training_record,
    write_bundle,
)
from crtcore.prediction.network import BACKBONE_FILE, HEAD_FILE, BeatModel, MeanModel, networks_of
from crtcore.prediction.predictor import Predictor, Preparation
from crtcore.prediction.training_record import TRAINING_FILES, TrainingRecord
from crtcore.stages.store import sha256_of


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    model = BeatModel(build(18, 0).backbone, num_leads=2, lead_fusion="mean", num_scalars=1)
    model.head.load_state_dict({key: torch.ones_like(each) for key, each in model.head.state_dict().items()})
    return Predictor(
        model=model,
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
    network = found.model
    assert isinstance(network, BeatModel)
    assert (network.num_leads, network.lead_fusion, network.num_scalars) == (2, "mean", 1)
    assert read_model_card(bundle) == {"caveat": "A stand-in."}
    assert not list(bundle.parent.glob(".*"))  # the draft is gone


def test_nothing_is_written_over(predictor: Predictor, bundle: Path) -> None:
    with pytest.raises(ConfigError, match="exists and is not an empty folder"):
        write_bundle(bundle, predictor, {})


@pytest.mark.parametrize("changes", [{"leads": ["II"]}, {"amplitude": False}])
def test_weights_of_other_leads_or_without_the_amplitude_are_refused(
    bundle: Path, changes: dict[str, Any]
) -> None:
    rewrite(bundle, changes)
    with pytest.raises(StorageError, match="disagree about leads or amplitude"):
        read_bundle(bundle)


def resign(bundle: Path, name: str) -> None:
    """Accept a changed file, as somebody with bad intentions would."""
    files = json.loads((bundle / BUNDLE_FILE).read_text())["files"]
    rewrite(bundle, {"files": files | {name: sha256_of(bundle / name)}})


@pytest.mark.parametrize("name", [BACKBONE_FILE, HEAD_FILE])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_signed_bundle_with_weights_that_are_no_numbers_is_refused(
    bundle: Path, name: str, value: float
) -> None:
    tensors, metadata = decode_tensors(bundle / name, name=name)
    tensors = {key: tensor.clone() for key, tensor in tensors.items()}
    key = next(key for key, tensor in tensors.items() if tensor.is_floating_point())
    tensors[key].reshape(-1)[0] = value
    (bundle / name).write_bytes(b"".join(encode_tensors(tensors, metadata)))
    resign(bundle, name)
    with pytest.raises(StorageError, match=f"{name}: .* holds values that no training gives"):
        read_bundle(bundle)


@pytest.mark.parametrize("num_leads", [-1, 10**12, 2.0, "2", True, None])
def test_a_signed_bundle_with_an_impossible_shape_is_refused(bundle: Path, num_leads: object) -> None:
    tensors, metadata = decode_tensors(bundle / HEAD_FILE, name="head")
    content = b"".join(encode_tensors(tensors, metadata | {"num_leads": num_leads}))
    (bundle / HEAD_FILE).write_bytes(content)
    resign(bundle, HEAD_FILE)
    with pytest.raises(StorageError, match="num_leads is not a whole number up to 64"):
        read_bundle(bundle)


def test_a_signed_bundle_without_a_weight_is_refused(bundle: Path) -> None:
    tensors, metadata = decode_tensors(bundle / HEAD_FILE, name="head")
    tensors.popitem()
    (bundle / HEAD_FILE).write_bytes(b"".join(encode_tensors(tensors, metadata)))
    resign(bundle, HEAD_FILE)
    with pytest.raises(StorageError, match="lacks the tensor"):
        read_bundle(bundle)


def test_a_file_that_is_missing_is_named(bundle: Path) -> None:
    (bundle / HEAD_FILE).unlink()
    with pytest.raises(StorageError, match=rf"{HEAD_FILE} is missing"):
        read_bundle(bundle)


def test_the_training_record_comes_back_and_an_old_bundle_has_none(
    predictor: Predictor, bundle: Path, tmp_path: Path
) -> None:
    record = TrainingRecord(
        cohort={"ksqi": Summary(mean=9.0, sd=2.0, num=3)}, files=frozenset({"a"}), pieces=frozenset({"b"})
    )
    write_bundle(tmp_path / "new", predictor, {}, record)
    read_bundle(tmp_path / "new")
    assert read_training_record(tmp_path / "new") == record
    read_bundle(bundle)
    assert read_training_record(bundle) == TrainingRecord(cohort=None, files=None, pieces=None)


@pytest.mark.parametrize("name", TRAINING_FILES)
@pytest.mark.parametrize("is_removed", [False, True])
def test_an_altered_training_record_is_refused(
    predictor: Predictor, tmp_path: Path, name: str, is_removed: bool
) -> None:
    record = TrainingRecord(cohort={}, files=frozenset(), pieces=frozenset())
    write_bundle(tmp_path / "new", predictor, {}, record)
    path = tmp_path / "new" / name
    path.unlink() if is_removed else path.write_text("{}")
    fault = "is missing" if is_removed else "does not match its SHA-256"
    with pytest.raises(StorageError, match=f"{name} {fault}"):
        read_bundle(tmp_path / "new")


def test_a_bundle_of_an_earlier_version_says_no_kind_and_is_a_network(
    predictor: Predictor, bundle: Path
) -> None:
    content = json.loads((bundle / BUNDLE_FILE).read_text())
    assert content.pop("kind") == "network"
    digest = {key: value for key, value in content.items() if key != "sha256"}
    content["sha256"] = hashlib.sha256(json.dumps(digest, sort_keys=True).encode()).hexdigest()
    (bundle / BUNDLE_FILE).write_text(json.dumps(content))
    assert read_bundle(bundle).preparation == predictor.preparation


@pytest.fixture
def networks(predictor: Predictor, tmp_path: Path) -> Path:
    network = predictor.model
    assert isinstance(network, BeatModel)
    three = replace(predictor, model=MeanModel([network] * 3))
    write_bundle(tmp_path / "networks", three, {}, pages={"README.md": "for people"})
    return tmp_path / "networks"


def test_several_networks_come_back(predictor: Predictor, networks: Path) -> None:
    found = read_bundle(networks)
    assert json.loads((networks / BUNDLE_FILE).read_text())["kind"] == "networks"
    assert isinstance(found.model, MeanModel)
    assert len(networks_of(found.model)) == 3
    assert found.preparation == predictor.preparation
    (networks / "README.md").write_text("changed by a reader")  # a page may be edited
    read_bundle(networks)


def test_one_network_of_several_that_is_missing_altered_or_no_number_is_refused(networks: Path) -> None:
    rewrite(networks, {"kind": "network"})
    with pytest.raises(StorageError, match="is of kind network and lists 3 networks"):
        read_bundle(networks)
    rewrite(networks, {"kind": "networks"})
    tensors, metadata = decode_tensors(networks / "head_2.safetensors", name="head")
    tensors = {key: tensor.clone() for key, tensor in tensors.items()}
    tensors["linear.bias"][0] = math.nan
    (networks / "head_2.safetensors").write_bytes(b"".join(encode_tensors(tensors, metadata)))
    with pytest.raises(StorageError, match=r"head_2.safetensors does not match its SHA-256"):
        read_bundle(networks)
    resign(networks, "head_2.safetensors")
    with pytest.raises(StorageError, match=r"head_2.safetensors: .* holds values that no training gives"):
        read_bundle(networks)
    (networks / "backbone_1.safetensors").unlink()
    with pytest.raises(StorageError, match=r"backbone_1.safetensors is missing"):
        read_bundle(networks)
