from collections.abc import Mapping
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from crtcore.errors import StorageError
from crtcore.model.backbones import build
from crtcore.model.checkpoint import (
    decode_tensors,
    encode_classifier,
    encode_tensors,
    load_backbone,
    load_classifier,
    load_training_state,
    training_state,
)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    path.write_bytes(encode_classifier(build(18, 5, ("N", "V"))))
    return path


def written(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> Path:
    path.write_bytes(b"".join(encode_tensors(tensors, metadata)))
    return path


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(6.0).reshape(2, 3).T,
        "b": torch.tensor(3),
        "c": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "empty": torch.zeros(0, 3),
    }
    path = written(tmp_path / "x", tensors, {"history": [{"loss": 0.5}], "epoch": 2})
    read, metadata = decode_tensors(path, name="x")
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    assert read.keys() == tensors.keys()
    assert metadata == {"history": [{"loss": 0.5}], "epoch": 2}


def test_the_file_is_what_the_safetensors_library_writes(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}
    ours = safetensors.torch.load_file(written(tmp_path / "x", tensors, {}))
    theirs = safetensors.torch.load(safetensors.torch.save(tensors))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("damage", ["cut", "garbage", "header", "empty", "foreign"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, damage: str) -> None:
    path = written(tmp_path / "x", {"a": torch.zeros(100)}, {})
    data = path.read_bytes()
    damaged = {
        "cut": data[:-10],
        "garbage": b"\x80\x04garbage" * 20,
        "header": data[:8] + b"!" + data[9:],
        "empty": b"",
        "foreign": data.replace(b'"json"', b'"jsom"'),
    }[damage]
    path.write_bytes(damaged)
    with pytest.raises(
        StorageError, match=r"progress of x is not a checkpoint .* run the same command again"
    ):
        decode_tensors(path, name="progress of x")


def test_a_network_is_read_back_with_and_without_its_head(model_file: Path) -> None:
    network = build(18, 5, ("N", "V"))
    read = load_classifier(model_file)
    assert read.classes == ("N", "V")
    assert all(torch.equal(tensor, read.state_dict()[name]) for name, tensor in network.state_dict().items())
    backbone = load_backbone(model_file)
    assert backbone.state_dict().keys() == network.backbone.state_dict().keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 34}, "lacks the tensor"),
        ({"depth": 19}, "does not say its architecture, depth"),
        ({"architecture": "lenet"}, "does not say its architecture, depth"),
        ({"architecture": "alexnet"}, r"holds backbone.stem.1.weight as float32\[64, 1, 7, 7\]"),
        ({"classes": ["N", "V", "S"]}, r"holds head.weight as float32\[2, 512\], .* float32\[3, 512\]"),
        ({"classes": []}, "has a foreign tensor head.bias"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    model_file: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    tensors, metadata = decode_tensors(model_file, name="x")
    path = written(tmp_path / "foreign.safetensors", tensors, metadata | change)
    with pytest.raises(StorageError, match=f"foreign.safetensors {message}"):
        load_classifier(path)


def train(network: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int) -> None:
    for _ in range(num_steps):
        optimizer.zero_grad()
        network(torch.linspace(-1, 1, 96).reshape(3, 2, 4, 4)).square().sum().backward()
        optimizer.step()


def small() -> tuple[nn.Module, torch.optim.Optimizer]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))
        network.to(memory_format=torch.channels_last)
    return network, torch.optim.AdamW(network.parameters(), lr=0.01, fused=True)


def test_training_resumes_from_its_state_to_the_same_bits(tmp_path: Path) -> None:
    straight, optimizer = small()
    train(straight, optimizer, 5)
    broken, optimizer = small()
    train(broken, optimizer, 3)
    path = written(tmp_path / "x", training_state(broken, optimizer), {})
    resumed, optimizer = small()
    load_training_state(resumed, optimizer, decode_tensors(path, name="x")[0], name="x")
    train(resumed, optimizer, 2)
    assert all(
        torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in straight.state_dict().items()
    )


def test_the_training_state_of_another_network_is_refused() -> None:
    network, optimizer = small()
    train(network, optimizer, 1)
    other = nn.Linear(4, 3)
    with pytest.raises(StorageError, match="the progress file lacks the tensor weight"):
        load_training_state(
            other,
            torch.optim.AdamW(other.parameters()),
            training_state(network, optimizer),
            name="the progress file",
        )
