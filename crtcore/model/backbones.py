"""Networks for one-channel images or waveforms, as five ordered layer groups that can run separately.

The layers are defined in `architectures.py`. Legend: N images, F frequency bins, T frames, D features.
"""

from typing import Final

import torch
from torch import Tensor, nn

from crtcore.config import WAVEFORM_ARCHITECTURES
from crtcore.model.architectures import layers

GROUPS: Final = ("stem", "layer1", "layer2", "layer3", "layer4")


class Backbone(nn.Module):
    """uint8 images (N, F, T) -> pooled features (N, D), D = `num_features`.

    The first `num_frozen` groups stay in eval mode, also after `train()` (see `freezing.py`). Weights and
    activations are in channels-last layout, which is faster than NCHW on CPUs and GPUs. On a CPU, the last
    group of a ResNet is in NCHW: in channels-last layout, oneDNN took 17-40 % longer for the gradients of its
    wide convolutions over few pixels (measured with AVX2).
    """

    def __init__(self, depth: int, architecture: str = "resnet") -> None:
        super().__init__()
        parts = layers(architecture, depth)
        self.stem, self.layer1, self.layer2, self.layer3, self.layer4 = parts.groups
        self.pool = parts.pool
        self.architecture = architecture
        self.depth = depth
        self.num_features = parts.num_features
        self.num_frozen = 0
        self.to(memory_format=torch.channels_last)
        if architecture == "resnet" and not torch.cuda.is_available():
            self.layer4.to(memory_format=torch.contiguous_format)
            self.layer4.register_forward_pre_hook(_in_nchw)

    @property
    def takes_waveforms(self) -> bool:
        """Whether the network reads the bytes of waveforms, not images."""
        return self.architecture in WAVEFORM_ARCHITECTURES

    def groups(self) -> tuple[nn.Module, ...]:
        """The five groups in order, named by `GROUPS`."""
        return tuple(self.get_submodule(name) for name in GROUPS)

    def prefix(self, num_groups: int) -> nn.Sequential:
        """The first `num_groups` groups as one module on the same weights: uint8 images -> activations.

        With all five groups, the activations are the pooled features (N, D).
        """
        return nn.Sequential(*self.groups()[:num_groups], *([self.pool] if num_groups == len(GROUPS) else []))

    def tail(self, num_groups: int) -> nn.Sequential:
        """The groups after `prefix(num_groups)`: its activations -> pooled features (N, D)."""
        return nn.Sequential(*self.groups()[num_groups:], *([self.pool] if num_groups < len(GROUPS) else []))

    def forward(self, image_NFT: Tensor) -> Tensor:
        features_ND: Tensor = self.tail(0)(image_NFT)
        return features_ND

    def train(self, mode: bool = True) -> "Backbone":
        """Like `nn.Module.train`, but frozen groups stay in eval mode."""
        super().train(mode)
        for group in self.groups()[: self.num_frozen]:
            group.eval()
        return self


def _in_nchw(group: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """The input of a group in NCHW: a convolution uses the layout of its input, not that of its weights."""
    return (inputs[0].contiguous(),)


class Classifier(nn.Module):
    """A backbone and a linear head over `classes`: uint8 images (N, F, T) -> logits (N, K).

    Without classes, the output is the features.
    """

    def __init__(self, backbone: Backbone, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone = backbone
        self.classes = classes
        self.head = nn.Linear(backbone.num_features, len(classes)) if classes else nn.Identity()

    def forward(self, image_NFT: Tensor) -> Tensor:
        logit_NK: Tensor = self.head(self.backbone(image_NFT))
        return logit_NK


def build(
    depth: int, seed: int, classes: tuple[str, ...] = (), *, architecture: str = "resnet"
) -> Classifier:
    """A randomly initialised network. The same architecture, depth and seed give the same weights.

    The state of the global random number generator does not change.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Classifier(Backbone(depth, architecture), classes)
