"""A model as an ONNX file, for programs without PyTorch. Needs the extra `onnx`.

Legend: B beats, C leads, F frequency bins, T frames, D features.
"""

import importlib.util
import warnings
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from crtcore.errors import ConfigError, StorageError
from crtcore.prediction.network import Model, networks_of, takes_waveforms
from crtcore.prediction.predictor import BeatInputs, beat_logits

NEEDED: Final = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE: Final = 1e-4  # largest allowed difference of a logit
MAX_CHECKED: Final = 16


def require_onnx(*, waveform: bool) -> None:
    """ConfigError if the extra is not installed, or if the model reads waveforms: ONNX cannot view the bytes
    of an image as float samples.
    """
    if waveform:
        raise ConfigError(
            "a network on waveforms (resnet1d) cannot be exported as ONNX; export without --onnx"
        )
    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        raise ConfigError(
            f"ONNX needs {', '.join(lacking)}; install it with: pip install 'crtsearch-ecg[onnx]'"
        )


def write_onnx(path: Path, model: Model, inputs: BeatInputs) -> float:
    """Write the model and compare ONNX Runtime with PyTorch on `inputs`. Returns the largest difference of a
    logit.

    The file maps images (uint8), and scalars if the model takes any, of any number of beats to logits. Raises
    the errors of `require_onnx`; StorageError if ONNX Runtime gives other logits than PyTorch.
    """
    require_onnx(waveform=takes_waveforms(model))
    import onnxruntime

    part = slice(0, MAX_CHECKED)
    tensors = inputs.tensors(part)
    assert len(tensors[0]) >= 2, "the exporter takes a batch of one as a constant"
    names = ["image", "scalar"][: 1 + (model.num_scalars > 0)]
    given = tensors if model.num_scalars else tensors[:1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its future versions
        torch.onnx.export(
            model.eval() if model.num_scalars else _ImagesAlone(model).eval(),
            given,
            path,
            input_names=names,
            output_names=["logit"],
            dynamic_shapes=tuple({0: torch.export.Dim("beats", min=1)} for _ in names),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected_B = beat_logits(model, inputs)[part]
    differences = []
    for some in (slice(None), slice(0, 1)):  # also with another number of beats
        feed = {name: tensor[some].numpy() for name, tensor in zip(names, given, strict=True)}
        (logit_B,) = session.run(["logit"], feed)
        differences.append(np.abs(logit_B - expected_B[some]).max())
    difference = float(np.max(differences))
    if not difference <= TOLERANCE:  # also if it is NaN
        path.unlink()
        raise StorageError(
            f"ONNX Runtime {onnxruntime.__version__} differs from PyTorch by {difference:.2g} on this model, "
            f"so no ONNX file was written; export without --onnx"
        )
    return difference


class _ImagesAlone(nn.Module):
    """A model that takes no scalars, without the second input."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, image_BCFT: Tensor) -> Tensor:
        logits = []
        for network in networks_of(self.model):
            features_ND = network.backbone(image_BCFT.flatten(0, 1))
            logits.append(network.head(features_ND.unflatten(0, (-1, network.num_leads))))
        return torch.stack(logits).mean(dim=0) if len(logits) > 1 else logits[0]
