"""The whole network, from a beat's images to its logit, and its two files.

Legend: B beats, C leads, F frequency bins, T frames, D features, E scalars beside them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

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
from crtcore.training.finetuning.heads import BeatHead, LeadFusion

BACKBONE_FILE: Final = "backbone.safetensors"
HEAD_FILE: Final = "head.safetensors"
SHAPE: Final = ("num_leads", "lead_fusion", "num_scalars")  # the metadata in the head's file
MAX_LEADS: Final = 64
MAX_SCALARS: Final = 1  # the amplitude


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


def encode_model(model: BeatModel) -> dict[str, bytes]:
    """The model's files, by name."""
    metadata: Mapping[str, Any] = {name: getattr(model, name) for name in SHAPE}
    head = encode_tensors(model.head.state_dict(), metadata)
    return {
        BACKBONE_FILE: encode_classifier(Classifier(model.backbone, ())),
        HEAD_FILE: b"".join(head),
    }


def load_model(backbone: Path, head: Path) -> BeatModel:
    """The model that `encode_model` wrote, ready to score. StorageError if a file is damaged or not ours."""
    tensors, metadata = decode_tensors(head, name=str(head))
    if set(metadata) != set(SHAPE) or metadata["lead_fusion"] not in get_args(LeadFusion):
        raise StorageError(f"{head} does not say {', '.join(SHAPE)}; export it again")
    for name, most in (("num_leads", MAX_LEADS), ("num_scalars", MAX_SCALARS)):
        if type(metadata[name]) is not int or not 0 <= metadata[name] <= most:
            raise StorageError(f"{head}: {name} is not a whole number up to {most}; export it again")
    model = BeatModel(load_backbone(backbone), **metadata)
    load_into(model.head, tensors, name=str(head))
    _require_finite(model.backbone, backbone)
    _require_finite(model.head, head)
    return model.eval()


def _require_finite(module: nn.Module, path: Path) -> None:
    for name, tensor in module.state_dict().items():
        if not torch.isfinite(tensor).all() or (name.endswith("running_var") and (tensor < 0).any()):
            raise StorageError(f"{path}: {name} holds values that no training gives; export the model again")
