"""torchvision's networks by name, for one-channel images, divided into five ordered layer groups.

Legend: N images, F frequency bins, T frames, S samples, D features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

DEPTHS: Final = (18, 34, 50, 101, 152)
PIXEL_MEAN: Final = 0.5
PIXEL_SD: Final = 0.25
INCEPTION_SIZE: Final = 128


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Five groups in order, the layer that pools the last activations to (N, D), and D."""

    groups: tuple[nn.Sequential, ...]
    pool: nn.Module
    num_features: int


class Normalise(nn.Module):
    """uint8 images (N, F, T) -> float32 (N, 1, F, T), channels last: (x / 255 - 0.5) / 0.25.

    Mean and SD are constants, so no information passes from one fold to another.
    """

    def forward(self, image_NFT: Tensor) -> Tensor:
        x_N1FT = image_NFT.unsqueeze(1).to(torch.float32, memory_format=torch.channels_last)
        return x_N1FT.mul_(1 / (255 * PIXEL_SD)).sub_(PIXEL_MEAN / PIXEL_SD)


class Waveform(nn.Module):
    """The bytes of float32 samples, stored as an image: uint8 (N, F, T) -> (N, 1, S), S = F x T / 4.

    `crtcore.signal.waveform` writes them. They are in millivolts, so the amplitude of a beat is kept; batch
    norm scales them.
    """

    def forward(self, bytes_NFT: Tensor) -> Tensor:
        x_NS = bytes_NFT.flatten(1).contiguous().view(torch.float32)
        return x_NS.unsqueeze(1)


class Enlarge(nn.Module):
    """(N, 1, F, T) -> (N, 1, 128, 128), bilinear: 64 x 64 is too small for the strides of Inception v3."""

    def forward(self, x_N1FT: Tensor) -> Tensor:
        return interpolate(
            x_N1FT, size=(INCEPTION_SIZE, INCEPTION_SIZE), mode="bilinear", align_corners=False
        )


def layers(architecture: str, depth: int) -> Layers:
    """The layers of a network, randomly initialised. `depth` has an effect on ResNets only."""
    assert architecture in ARCHITECTURES and depth in DEPTHS, (architecture, depth)
    return ARCHITECTURES[architecture](depth)


def _torchvision(name: str, **settings: Any) -> Any:
    """A network of torchvision, randomly initialised."""
    from torchvision import models  # here: it takes two seconds, and a sweep's driver builds no network

    return getattr(models, name)(weights=None, **settings)


def _resnet(depth: int) -> Layers:
    """He, Zhang, Ren & Sun 2016 (CVPR, doi 10.1109/CVPR.2016.90): the stem and the four stages."""
    resnet = _torchvision(f"resnet{depth}")
    conv = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return Layers(
        groups=(
            nn.Sequential(Normalise(), conv, resnet.bn1, resnet.relu, resnet.maxpool),
            resnet.layer1,
            resnet.layer2,
            resnet.layer3,
            resnet.layer4,
        ),
        pool=nn.Sequential(resnet.avgpool, nn.Flatten()),
        num_features=int(resnet.fc.in_features),
    )


def _resnet1d(depth: int) -> Layers:
    """The ResNet of this depth with one-dimensional layers, for waveforms."""
    flat = _resnet(depth)
    stem = nn.Sequential(Waveform(), *list(flat.groups[0])[1:])
    groups = (stem, *flat.groups[1:])
    for parent in list(nn.ModuleList(groups).modules()):
        for name, child in parent.named_children():
            if (counterpart := _one_dimensional(child)) is not None:
                setattr(parent, name, counterpart)
    pool = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
    return Layers(groups=groups, pool=pool, num_features=flat.num_features)


def _one_dimensional(layer: nn.Module) -> nn.Module | None:
    """The one-dimensional form of a two-dimensional layer; None for any other layer."""
    if isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)
        conv = nn.Conv1d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size[0],
            stride=layer.stride[0],
            padding=layer.padding[0],
            bias=layer.bias is not None,
        )
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        return conv
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm1d(layer.num_features)
    if isinstance(layer, nn.MaxPool2d):
        return nn.MaxPool1d(layer.kernel_size, stride=layer.stride, padding=layer.padding)
    return None


def _alexnet(depth: int) -> Layers:
    """Krizhevsky, Sutskever & Hinton 2012 (NeurIPS), torchvision's version: the five convolutions.

    The last maps are averaged instead of passed to the three fully connected layers: of a 64 x 64 image, only
    one pixel would be left for these.
    """
    features = _torchvision("alexnet").features
    features[0] = nn.Conv2d(1, 64, kernel_size=11, stride=4, padding=2)
    return _cut(features, stops=(3, 6, 8, 10), num_features=256)


def _vgg19(depth: int) -> Layers:
    """Simonyan & Zisserman 2015 (arXiv 1409.1556): the five blocks of convolutions, then the average."""
    features = _torchvision("vgg19").features
    conv = nn.Conv2d(1, 64, kernel_size=3, padding=1)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # it has one
    features[0] = conv
    return _cut(features, stops=(5, 10, 19, 28), num_features=512)


def _cut(features: nn.Sequential, *, stops: tuple[int, ...], num_features: int) -> Layers:
    groups = [features[start:stop] for start, stop in zip((0, *stops), (*stops, None), strict=True)]
    groups[0] = nn.Sequential(Normalise(), *groups[0])
    # An in-place ReLU at the start of a group would change stored activations.
    for layer in features:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Layers(groups=tuple(groups), pool=pool, num_features=num_features)


def _inception_v3(depth: int) -> Layers:
    """Szegedy et al. 2016 (CVPR, arXiv 1512.00567), without the auxiliary classifier.

    The groups are the stem, the blocks of the three scales, and the last two blocks.
    """
    net = _torchvision("inception_v3", aux_logits=False, init_weights=True)
    net.Conv2d_1a_3x3.conv = nn.Conv2d(1, 32, kernel_size=3, stride=2, bias=False)
    nn.init.kaiming_normal_(net.Conv2d_1a_3x3.conv.weight, mode="fan_out", nonlinearity="relu")
    groups = (
        nn.Sequential(
            Normalise(),
            Enlarge(),
            net.Conv2d_1a_3x3,
            net.Conv2d_2a_3x3,
            net.Conv2d_2b_3x3,
            net.maxpool1,
            net.Conv2d_3b_1x1,
            net.Conv2d_4a_3x3,
            net.maxpool2,
        ),
        nn.Sequential(net.Mixed_5b, net.Mixed_5c, net.Mixed_5d),
        nn.Sequential(net.Mixed_6a, net.Mixed_6b, net.Mixed_6c),
        nn.Sequential(net.Mixed_6d, net.Mixed_6e, net.Mixed_7a),
        nn.Sequential(net.Mixed_7b, net.Mixed_7c),
    )
    return Layers(
        groups=groups, pool=nn.Sequential(net.avgpool, nn.Flatten()), num_features=int(net.fc.in_features)
    )


ARCHITECTURES: Final[dict[str, Callable[[int], Layers]]] = {
    "resnet": _resnet,
    "resnet1d": _resnet1d,
    "alexnet": _alexnet,
    "vgg19": _vgg19,
    "inception_v3": _inception_v3,
}
