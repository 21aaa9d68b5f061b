"""The whole network, from a beat's images to its logit, or several networks with one mean logit, and their
files: two for each network.

Legend: B beats, C leads, F frequency bins, T frames, D features, E scalars beside them.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast, get_args

import torch
from torch import Tensor, nn

from crtcore.errors import StorageError
from crtcore.model.backbones import Backbone, Classifier
from crtcore.model.checkpoint import (
    decode_tensors,
    encode_classifier,
    encode_tensors,
    load_backbone,
    load_into,
)
from crtcore.training.finetuning.heads import BeatHead, BeatNetwork, LeadFusion

BACKBONE_FILE: Final = "backbone.safetensors"
HEAD_FILE: Final = "head.safetensors"
SHAPE: Final = ("num_leads", "lead_fusion", "num_scalars")  # the metadata in the head's file
MAX_LEADS: Final = 64
MAX_SCALARS: Final = 1  # the amplitude
MAX_NETWORKS: Final = 100  # of one model: each is tens of megabytes


class BeatModel(nn.Module):
    """uint8 images (B, C, F, T) and scalars (B, C, E) -> logits of label 1, (B,): the backbone on each lead,
    then the head. A new head has the right shapes; its values must be loaded.
    """

    def __init__(
        self, backbone: Backbone, *, num_leads: int, lead_fusion: LeadFusion, num_scalars: int = 0
    ) -> None:
        super().__init__()
        self.backbone = backbone
        num_features = backbone.num_features + num_scalars
        self.head = BeatHead(torch.zeros(1, num_leads, num_features), torch.ones(1), lead_fusion)
        self.num_leads = num_leads
        self.lead_fusion = lead_fusion
        self.num_scalars = num_scalars

    def forward(self, image_BCFT: Tensor, scalar_BCE: Tensor) -> Tensor:
        features_BCD = self.backbone(image_BCFT.flatten(0, 1)).unflatten(0, (-1, self.num_leads))
        logit_B: Tensor = self.head(torch.cat([features_BCD, scalar_BCE], dim=2))
        return logit_B


class MeanModel(nn.Module):
    """Several networks on the same inputs. The logit of a beat is the mean of theirs."""

    def __init__(self, networks: Sequence[BeatModel]) -> None:
        super().__init__()
        first, *others = networks
        assert others and all(_inputs(each) == _inputs(first) for each in others)
        self.networks = nn.ModuleList(networks)
        self.num_leads = first.num_leads
        self.num_scalars = first.num_scalars

    def forward(self, image_BCFT: Tensor, scalar_BCE: Tensor) -> Tensor:
        return torch.stack([each(image_BCFT, scalar_BCE) for each in self.networks]).mean(dim=0)


Model = BeatModel | MeanModel


def networks_of(model: Model) -> tuple[BeatModel, ...]:
    """The networks of a model."""
    return (model,) if isinstance(model, BeatModel) else tuple(cast("Iterable[BeatModel]", model.networks))


def takes_waveforms(model: Model) -> bool:
    """Whether the model reads waveforms rather than images."""
    return networks_of(model)[0].backbone.takes_waveforms


def assembled(
    backbone: Backbone,
    trained: BeatNetwork,
    *,
    num_frozen: int,
    num_leads: int,
    num_scalars: int,
    lead_fusion: LeadFusion,
) -> BeatModel:
    """The whole network on the CPU: the frozen groups of `backbone`, then what was trained.

    `backbone` becomes part of it. Copy it first if it is needed again.
    """
    model = BeatModel(backbone.cpu(), num_leads=num_leads, lead_fusion=lead_fusion, num_scalars=num_scalars)
    for part, source in ((backbone.tail(num_frozen), trained.body), (model.head, trained.head)):
        load_into(part, source.state_dict(), name="the trained network")
    return model.eval()


def file_names(num_networks: int) -> tuple[tuple[str, str], ...]:
    """The names of each network's two files."""
    if num_networks == 1:
        return ((BACKBONE_FILE, HEAD_FILE),)
    return tuple(
        (f"backbone_{number}.safetensors", f"head_{number}.safetensors") for number in range(num_networks)
    )


def count_networks(names: Collection[str]) -> int:
    """How many networks there are, by the names of their files."""
    return max(1, sum(re.fullmatch(r"head_\d+\.safetensors", name) is not None for name in names))


def encode_model(model: Model) -> dict[str, bytes]:
    """The model's files, by name."""
    networks = networks_of(model)
    files = {}
    for network, (backbone, head) in zip(networks, file_names(len(networks)), strict=True):
        metadata: Mapping[str, Any] = {name: getattr(network, name) for name in SHAPE}
        files[backbone] = encode_classifier(Classifier(network.backbone, ()))
        files[head] = b"".join(encode_tensors(network.head.state_dict(), metadata))
    return files


def load_model(path_of: Callable[[str], Path], num_networks: int = 1) -> Model:
    """The model that `encode_model` wrote, ready to score. `path_of` gives the path of a file by its name.

    StorageError if a file is damaged or not ours, or if the networks differ in their inputs.
    """
    networks = [
        _load_network(path_of(backbone), path_of(head)) for backbone, head in file_names(num_networks)
    ]
    for number, each in enumerate(networks):
        if _inputs(each) != _inputs(networks[0]):
            raise StorageError(
                f"{path_of(file_names(num_networks)[number][1])}: this network reads other inputs than the "
                "first one; export the model again"
            )
    return networks[0] if num_networks == 1 else MeanModel(networks).eval()


def _inputs(network: BeatModel) -> tuple[int, int, bool]:
    return network.num_leads, network.num_scalars, network.backbone.takes_waveforms


def _load_network(backbone: Path, head: Path) -> BeatModel:
    tensors, metadata = decode_tensors(head, name=str(head))
    if set(metadata) != set(SHAPE) or metadata["lead_fusion"] not in get_args(LeadFusion):
        raise StorageError(f"{head} does not say {', '.join(SHAPE)}; export it again")
    for name, most in (("num_leads", MAX_LEADS), ("num_scalars", MAX_SCALARS)):
        if type(metadata[name]) is not int or not 0 <= metadata[name] <= most:
            raise StorageError(f"{head}: {name} is not a whole number up to {most}; export it again")
    model = BeatModel(load_backbone(backbone), **metadata)
    load_into(model.head, tensors, name=str(head))
    require_finite(model.backbone, backbone)
    require_finite(model.head, head)
    return model.eval()


def require_finite(module: nn.Module, path: Path) -> None:
    """StorageError that names the file unless all weights and statistics are usable."""
    for name, tensor in module.state_dict().items():
        if not torch.isfinite(tensor).all() or (name.endswith("running_var") and (tensor < 0).any()):
            raise StorageError(f"{path}: {name} holds values that no training gives; export the model again")
