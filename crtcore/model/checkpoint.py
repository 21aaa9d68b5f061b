"""Networks and training progress as safetensors files with JSON metadata, which cannot run code when read."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from crtcore.errors import StorageError
from crtcore.model.architectures import ARCHITECTURES, DEPTHS
from crtcore.model.backbones import Backbone, Classifier, build

JSON = Any  # a value of the json module; Python has no finite type for it
_METADATA = "json"
_DTYPE_NAMES = {torch.float32: "F32", torch.int64: "I64", torch.uint8: "U8"}  # networks, AdamW, checksums


def encode_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, JSON]) -> Iterator[memoryview]:
    """A safetensors file in chunks: the tensors, and `metadata` as JSON in its header.

    The library's own writer needs a second, contiguous copy of all tensors in memory. The optimiser state of
    ten networks is too large for that. Format: https://huggingface.co/docs/safetensors, "Format".
    """
    header: dict[str, JSON] = {"__metadata__": {_METADATA: json.dumps(dict(metadata), sort_keys=True)}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + math.prod(tensor.shape) * tensor.element_size()
        header[name] = {
            "dtype": _DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the format wants tensors to start at a multiple of 8
    yield memoryview(len(text).to_bytes(8, "little") + text)
    for tensor in tensors.values():
        yield tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data


def decode_tensors(path: Path, *, name: str) -> tuple[dict[str, Tensor], dict[str, JSON]]:
    """The tensors and metadata that `encode_tensors` wrote, memory-mapped.

    Raises StorageError, which calls the file `name`, if the file is something else.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})[_METADATA])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise StorageError(
            f"{name} is not a checkpoint of crtsearch ({error}); remove it and run the same command again"
        ) from error
    return tensors, metadata


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], *, name: str) -> None:
    """Copy `tensors` into the module's state.

    Raises StorageError, which names the first tensor that is missing, unknown or of another shape.
    """
    state = module.state_dict()
    for key in (*state, *sorted(tensors)):
        if key not in tensors or key not in state:
            fault = "lacks the tensor" if key not in tensors else "has a foreign tensor"
            raise _foreign(name, f"{fault} {key}")
        if state[key].shape != tensors[key].shape or state[key].dtype != tensors[key].dtype:
            raise _foreign(
                name, f"holds {key} as {_form(tensors[key])}, and the network wants {_form(state[key])}"
            )
    module.load_state_dict(dict(tensors))


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _foreign(name: str, fault: str) -> StorageError:
    return StorageError(f"{name} {fault}; remove it and run the same command again")


def encode_classifier(network: Classifier) -> bytes:
    """A network's weights and batch-norm statistics, with its architecture, depth and classes."""
    backbone = network.backbone
    metadata = {
        "architecture": backbone.architecture,
        "depth": backbone.depth,
        "classes": list(network.classes),
    }
    return b"".join(encode_tensors(network.state_dict(), metadata))


def load_classifier(path: Path) -> Classifier:
    """The network that `encode_classifier` wrote. Raises StorageError if the file is damaged or foreign."""
    tensors, metadata = decode_tensors(path, name=str(path))
    architecture = metadata.get("architecture", "resnet")  # older files have only ResNets and do not say so
    if (
        architecture not in ARCHITECTURES
        or metadata.get("depth") not in DEPTHS
        or not isinstance(metadata.get("classes"), list)
    ):
        raise _foreign(str(path), "does not say its architecture, depth and classes")
    with torch.device("meta"):  # draws no random weights, which would be overwritten
        network = build(metadata["depth"], 0, tuple(metadata["classes"]), architecture=architecture)
    network = network.to_empty(device="cpu")
    load_into(network, tensors, name=str(path))
    return network


def load_backbone(path: Path) -> Backbone:
    """A stored network without its head. Raises as `load_classifier` does."""
    return load_classifier(path).backbone


def training_state(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All tensors that are needed to resume training: the module's state and the optimiser's moments."""
    moments = optimizer.state_dict()["state"]
    return {
        **{f"module.{name}": tensor for name, tensor in module.state_dict().items()},
        **{f"optimizer.{i}.{name}": value for i, state in moments.items() for name, value in state.items()},
    }


def load_training_state(
    module: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], *, name: str
) -> None:
    """Restore `training_state`. Raises StorageError if the tensors belong to another network."""
    parts: dict[str, dict[str, Tensor]] = {"module": {}, "optimizer": {}}
    for key, tensor in tensors.items():
        part, _, rest = key.partition(".")
        parts[part][rest] = tensor
    load_into(module, parts["module"], name=name)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in parts["optimizer"].items():
        index, _, moment = key.partition(".")
        # The fused AdamW matches moments and weights by their memory layout, so the layouts must be equal.
        alike = torch.empty_like(parameters[int(index)]).copy_(tensor) if tensor.ndim else tensor
        moments.setdefault(int(index), {})[moment] = alike
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
