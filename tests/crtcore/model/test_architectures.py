from typing import get_args

import pytest
import torch
from torch import nn

from crtcore.config import Architecture
from crtcore.model.architectures import ARCHITECTURES, Enlarge, Normalise, Waveform
from crtcore.model.backbones import GROUPS, build
from crtcore.model.freezing import freeze_groups
from crtcore.model.statistics import set_batch_statistics

OTHERS = sorted(set(ARCHITECTURES) - {"resnet"})
# torchvision's numbers without the classifier and two of three input channels; 1-D kernels are 3, not 3 x 3.
NUM_PARAMETERS = {"alexnet": 2.42e6, "vgg19": 20.0e6, "inception_v3": 21.8e6, "resnet1d": 3.84e6}
NUM_FEATURES = {"alexnet": 256, "vgg19": 512, "inception_v3": 2048, "resnet1d": 512}


def images(architecture: str, num: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if architecture == "resnet1d":
        return torch.randn(num, 64, 16, generator=generator).view(torch.uint8)
    return torch.randint(0, 256, (num, 64, 64), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("architecture", OTHERS)
def test_each_network_can_be_divided_after_any_group_and_frozen_up_to_there(architecture: str) -> None:
    network = build(18, 0, ("a", "b"), architecture=architecture)
    backbone = network.backbone
    assert backbone.num_features == NUM_FEATURES[architecture]
    assert backbone.takes_waveforms == isinstance(backbone.stem[0], Waveform)
    num_parameters = sum(parameter.numel() for parameter in backbone.parameters())
    assert num_parameters == pytest.approx(NUM_PARAMETERS[architecture], rel=0.02)
    network.eval()
    batch = images(architecture)
    with torch.inference_mode():
        whole_ND = backbone(batch)
        assert whole_ND.shape == (4, NUM_FEATURES[architecture])
        assert float(whole_ND.std(dim=0).max()) > 0  # the output differs between images
        for num_groups in range(len(GROUPS) + 1):
            activation = backbone.prefix(num_groups)(batch)
            kept = activation.clone()
            assert torch.equal(backbone.tail(num_groups)(activation), whole_ND), num_groups
            assert torch.equal(activation, kept), f"the tail after group {num_groups} changes what is stored"
    freeze_groups(backbone, 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    torch.autograd.backward(nn.functional.cross_entropy(network(batch), torch.tensor([0, 1, 0, 1])))
    optimizer.step()
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not [name for name in moved if name.split(".")[1] in GROUPS[:3]]
    assert {name.split(".")[1] for name in moved} >= {"layer3", "layer4", "weight"}


def test_the_config_has_all_architectures() -> None:
    assert set(get_args(Architecture)) == set(ARCHITECTURES)


def test_the_one_dimensional_network_reads_samples_and_has_no_two_dimensional_layer() -> None:
    sample_NS = torch.randn(2, 1024)
    assert torch.equal(Waveform()(sample_NS.view(torch.uint8).reshape(2, 64, 64)).squeeze(1), sample_NS)
    deep = build(50, 0, architecture="resnet1d")
    two_dimensional = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d)
    assert not [module for module in deep.modules() if isinstance(module, two_dimensional)]
    set_batch_statistics(deep, [images("resnet1d")])
    norms = [module for module in deep.modules() if isinstance(module, nn.BatchNorm1d)]
    assert len(norms) == 53
    assert all(int(norm.num_batches_tracked or 0) == 1 for norm in norms)


def test_images_are_enlarged_after_they_are_normalised() -> None:
    image_NFT = torch.full((2, 64, 64), 255, dtype=torch.uint8)
    x_N1FT = Enlarge()(Normalise()(image_NFT))
    assert x_N1FT.shape == (2, 1, 128, 128)
    assert torch.allclose(x_N1FT, torch.tensor(2.0))
