"""ResNets for one-channel spectrogram images, as five ordered layer groups that can be run apart.

He, Zhang, Ren & Sun 2016 (CVPR, doi 10.1109/CVPR.2016.90) in torchvision's form, with a one-channel stem and
no classifier. Legend: N images, F frequency bins, T frames, D features.
"""

from typing import Final

import torch
import torchvision
from torch import Tensor, nn

GROUPS: Final = ("stem", "layer1", "layer2", "layer3", "layer4")
DEPTHS: Final = (18, 34, 50, 101, 152)
PIXEL_MEAN: Final = 0.5
PIXEL_SD: Final = 0.25


class Normalise(nn.Module):
    """uint8 images (N, F, T) -> float32 (N, 1, F, T), channels last: (x / 255 - 0.5) / 0.25.

    Constants, not statistics: no fold can leak into another through them.
    """

    def forward(self, image_NFT: Tensor) -> Tensor:
        x_N1FT = image_NFT.unsqueeze(1).to(torch.float32, memory_format=torch.channels_last)
        return x_N1FT.mul_(1 / (255 * PIXEL_SD)).sub_(PIXEL_MEAN / PIXEL_SD)


class Backbone(nn.Module):
    """uint8 images (N, F, T) -> pooled features (N, D), D = `num_features`.

    The first `num_frozen` groups stay in eval mode whatever `train()` is told (see `freezing.py`). Weights
    and activations are in channels-last layout, which trains faster than NCHW on CPUs and GPUs alike.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        assert depth in DEPTHS, depth
        resnet = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        conv = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        self.stem = nn.Sequential(Normalise(), conv, resnet.bn1, resnet.relu, resnet.maxpool)
        self.layer1 = resnet.layer1
        self.layer2 = resnet.layer2
        self.layer3 = resnet.layer3
        self.layer4 = resnet.layer4
        self.pool = nn.Sequential(resnet.avgpool, nn.Flatten())
        self.depth = depth
        self.num_features = int(resnet.fc.in_features)
        self.num_frozen = 0
        self.to(memory_format=torch.channels_last)

    def groups(self) -> tuple[nn.Module, ...]:
        """The five groups in order, named by `GROUPS`."""
        return tuple(self.get_submodule(name) for name in GROUPS)

    def prefix(self, num_groups: int) -> nn.Sequential:
        """The first `num_groups` groups as one module on this network's own weights: uint8 images ->
        activations.

        With all five the activations are the pooled features (N, D).
        """
        return nn.Sequential(*self.groups()[:num_groups], *([self.pool] if num_groups == len(GROUPS) else []))

    def tail(self, num_groups: int) -> nn.Sequential:
        """What follows `prefix(num_groups)`: its activations -> pooled features (N, D)."""
        return nn.Sequential(*self.groups()[num_groups:], *([self.pool] if num_groups < len(GROUPS) else []))

    def forward(self, image_NFT: Tensor) -> Tensor:
        features_ND: Tensor = self.tail(0)(image_NFT)
        return features_ND

    def train(self, mode: bool = True) -> "Backbone":
        """As `nn.Module.train`, except that frozen groups stay in eval mode."""
        super().train(mode)
        for group in self.groups()[: self.num_frozen]:
            group.eval()
        return self


class Classifier(nn.Module):
    """A backbone and a linear head over `classes`: uint8 images (N, F, T) -> logits (N, K). No classes: the
    features.
    """

    def __init__(self, backbone: Backbone, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone = backbone
        self.classes = classes
        self.head = nn.Linear(backbone.num_features, len(classes)) if classes else nn.Identity()

    def forward(self, image_NFT: Tensor) -> Tensor:
        logit_NK: Tensor = self.head(self.backbone(image_NFT))
        return logit_NK


def build(depth: int, seed: int, classes: tuple[str, ...] = ()) -> Classifier:
    """A randomly initialised network: the same depth and seed give the same weights, and no generator moves
    but its own.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Classifier(Backbone(depth), classes)
