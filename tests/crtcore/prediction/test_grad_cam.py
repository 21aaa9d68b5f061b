"""Grad-CAM against a network whose answer is known."""

import numpy as np
import torch

from crtcore.model.backbones import build
from crtcore.prediction.grad_cam import grad_cam
from crtcore.prediction.network import BeatModel, MeanModel
from crtcore.prediction.predictor import BeatInputs


def model_and_inputs() -> tuple[BeatModel, BeatInputs]:
    model = BeatModel(build(18, 0).backbone, num_leads=2, lead_fusion="concatenate").eval()
    with torch.no_grad():
        model.head.mean_D.zero_()
        model.head.scale_D.fill_(1.0)
        model.head.linear.weight[:, :512] = torch.randn(1, 512, generator=torch.Generator().manual_seed(0))
    image_BCFT = np.random.default_rng(0).integers(0, 256, (3, 2, 64, 64), dtype=np.uint8)
    return model, BeatInputs(image_BCFT=image_BCFT, scalar_BCE=np.empty((3, 2, 0), np.float32))


def test_a_lead_without_weight_is_dark_and_each_beat_reaches_1() -> None:
    model, inputs = model_and_inputs()
    maps_BCFT = grad_cam(model, inputs)
    assert maps_BCFT.shape == inputs.image_BCFT.shape
    assert not maps_BCFT[:, 1].any()
    assert np.allclose(maps_BCFT.reshape(3, -1).max(axis=1), 1.0)
    assert maps_BCFT.min() >= 0


def test_it_leaves_no_hook_and_no_gradient_behind() -> None:
    model, inputs = model_and_inputs()
    grad_cam(model, inputs)
    assert not model.backbone.layer2._forward_hooks
    assert all(parameter.grad is None for parameter in model.parameters())


def test_several_networks_give_the_mean_of_their_maps() -> None:
    model, inputs = model_and_inputs()
    alike = grad_cam(MeanModel([model, model]), inputs)
    assert np.allclose(alike, grad_cam(model, inputs), atol=1e-6)
    dark = BeatModel(build(18, 1).backbone, num_leads=2, lead_fusion="concatenate").eval()
    with torch.no_grad():
        dark.head.mean_D.zero_()
        dark.head.scale_D.fill_(1.0)
    assert np.allclose(grad_cam(MeanModel([model, dark]), inputs), alike, atol=1e-6)
