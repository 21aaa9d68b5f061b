"""The network's two files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crtcore.errors import StorageError
from crtcore.model.backbones import build
from crtcore.model.checkpoint import encode_tensors
from crtcore.prediction.network import (
    HEAD_FILE,
    BeatModel,
    MeanModel,
    count_networks,
    encode_model,
    load_model,
    networks_of,
)


def model(seed: int = 0, *, num_leads: int = 2) -> BeatModel:
    made = BeatModel(build(18, seed).backbone, num_leads=num_leads, lead_fusion="concatenate", num_scalars=1)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in made.head.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return made.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in encode_model(model()).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_every_weight_comes_back(folder: Path) -> None:
    expected = model().state_dict()
    found = load_model(lambda name: folder / name).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@torch.inference_mode()
def test_a_logit_is_the_head_on_each_lead_s_features_and_scalars() -> None:
    network = model()
    rng = np.random.default_rng(0)
    image_BCFT = torch.from_numpy(rng.integers(0, 256, (3, 2, 64, 64), dtype=np.uint8))
    scalar_BCE = torch.from_numpy(rng.normal(size=(3, 2, 1)).astype(np.float32))
    leads = [torch.cat([network.backbone(image_BCFT[:, c]), scalar_BCE[:, c]], dim=1) for c in (0, 1)]
    expected_B = network.head(torch.stack(leads, dim=1))
    torch.testing.assert_close(network(image_BCFT, scalar_BCE), expected_B, rtol=1e-5, atol=1e-5)
    assert len(set(expected_B.tolist())) == 3


def test_a_head_that_does_not_say_its_shape_is_refused(folder: Path) -> None:
    head = encode_tensors(model().head.state_dict(), {"num_leads": 2})
    (folder / HEAD_FILE).write_bytes(b"".join(head))
    with pytest.raises(StorageError, match="does not say num_leads, lead_fusion, num_scalars"):
        load_model(lambda name: folder / name)


@torch.inference_mode()
def test_several_networks_come_back_and_give_the_mean_logit(tmp_path: Path) -> None:
    files = encode_model(MeanModel([model(0), model(1), model(2)]))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert count_networks(files) == 3
    found = load_model(lambda name: tmp_path / name, 3)
    rng = np.random.default_rng(0)
    image_BCFT = torch.from_numpy(rng.integers(0, 256, (3, 2, 64, 64), dtype=np.uint8))
    scalar_BCE = torch.from_numpy(rng.normal(size=(3, 2, 1)).astype(np.float32))
    logit_KB = torch.stack([model(seed)(image_BCFT, scalar_BCE) for seed in range(3)])
    assert not torch.allclose(logit_KB[0], logit_KB[1])
    torch.testing.assert_close(found(image_BCFT, scalar_BCE), logit_KB.mean(dim=0), rtol=1e-5, atol=1e-5)
    assert len(networks_of(found)) == 3


def test_networks_with_other_inputs_are_refused(tmp_path: Path) -> None:
    for number, each in enumerate((model(), model(num_leads=1))):
        for name, content in encode_model(each).items():
            (tmp_path / name.replace(".", f"_{number}.")).write_bytes(content)
    with pytest.raises(StorageError, match=r"head_1.safetensors: this network reads other inputs"):
        load_model(lambda name: tmp_path / name, 2)
