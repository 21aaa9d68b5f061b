"""Grad-CAM: the places of a beat's images that speak for label 1.

Selvaraju et al. 2017 (ICCV, doi 10.1109/ICCV.2017.74). Legend: B beats, C leads, F frequency bins, T frames.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from crtcore.prediction.network import BeatModel, Model, networks_of
from crtcore.prediction.predictor import BeatInputs

LAYER: Final = "layer2"
"""8 x 8 places on a 64 x 64 image. The last group of a ResNet has only 2 x 2."""


def grad_cam(model: Model, inputs: BeatInputs, *, layer: str = LAYER) -> npt.NDArray[np.float32]:
    """How much each place speaks for label 1, shape (B, C, F, T). The maximum of each beat is 1.

    It is the sum of the activations of `layer`, weighted by the mean gradient of the logit over each channel.
    Negative values, which speak against label 1, become 0. A beat without positive values is 0 everywhere.
    Several networks give the mean of their maps.
    """
    map_BCFT = torch.stack([_map(network, inputs, layer) for network in networks_of(model)]).mean(dim=0)
    largest_B = map_BCFT.flatten(1).amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
    return np.asarray((map_BCFT / largest_B[:, None, None, None]).numpy(), dtype=np.float32)


def _map(model: BeatModel, inputs: BeatInputs, layer: str) -> Tensor:
    held: dict[str, Tensor] = {}

    def hold(module: torch.nn.Module, inputs: object, output: Tensor) -> Tensor:
        # Detached, because the layers before it may be frozen and their gradients are not needed.
        held["activation"] = output.detach().requires_grad_()
        return held["activation"]

    handle = model.backbone.get_submodule(layer).register_forward_hook(hold)
    try:
        logit_B = model.eval()(*inputs.tensors())
    finally:
        handle.remove()
    activation_NDFT = held["activation"]
    (gradient_NDFT,) = torch.autograd.grad(logit_B.sum(), activation_NDFT)
    weight_ND11 = gradient_NDFT.mean(dim=(2, 3), keepdim=True)
    map_N1FT = (weight_ND11 * activation_NDFT.detach()).sum(dim=1, keepdim=True).relu()
    shape = inputs.image_BCFT.shape
    return interpolate(map_N1FT, size=shape[2:], mode="bilinear", align_corners=False).reshape(shape)
