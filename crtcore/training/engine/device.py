"""Where a trial computes: the device it was given and the CPU threads it may use."""

from contextlib import AbstractContextManager
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from crtcore.config import Experiment, TrialResources
from crtcore.errors import ConfigError
from crtcore.signal.recording import IntArray

Precision = Literal["float32", "bfloat16"]
# Of the device's free memory; what is left is for networks and activations.
RESIDENT_SHARE: Final = 0.5


def use_device(resources: TrialResources) -> torch.device:
    """The device of a trial with these resources; sets this process's torch threads, and cuDNN to fixed
    algorithms.

    On the CPU a trial is repeatable bit by bit, on the same machine with the same number of threads (sums are
    split by thread); on a GPU up to rounding, since the max pool adds up its gradients in any order. Raises
    ConfigError if a GPU is asked for and none is visible.
    """
    torch.set_num_threads(max(1, int(resources.cpus)))
    if resources.gpus == 0:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError(
            f"resources.trial.gpus is {resources.gpus:g} and no GPU is visible to PyTorch here; "
            "set it to 0 or run on a node with a GPU"
        )
    use_fixed_algorithms()
    return torch.device("cuda")


def use_fixed_algorithms() -> None:
    """Have cuDNN compute the same in the same way each time, in this process."""
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Compute products in bfloat16 inside, if `precision` says so; weights stay float32."""
    enabled = precision == "bfloat16"
    context: AbstractContextManager[None] = torch.autocast(device.type, torch.bfloat16, enabled=enabled)
    return context


def precision_identity(experiment: Experiment) -> dict[str, str]:
    """What the precision adds to the identity of a stage that trains or runs a network: nothing if exact."""
    precision = experiment.resources.precision
    return {} if precision == "float32" else {"precision": precision}


def on_device_if_it_fits(inputs: Tensor, device: torch.device) -> Tensor:
    """`inputs` on the device if they take up no more than half of its free memory, or else as they are."""
    return inputs.to(device) if _fits(inputs.nbytes, device) else inputs


class DeviceImages:
    """Images that batches are taken from: resident on a GPU as far as they fit in half of its free memory,
    or left in the mapped file whose pages processes share.

    `image_NFT` is uint8, shape (images, 64, 64).
    """

    def __init__(self, image_NFT: npt.NDArray[np.uint8], device: torch.device) -> None:
        self.device = device
        self._host_NFT = image_NFT
        self._resident_NFT = (
            torch.from_numpy(np.array(image_NFT)).to(device) if _fits(image_NFT.nbytes, device) else None
        )

    def __len__(self) -> int:
        return len(self._host_NFT)

    def take(self, index_N: IntArray) -> Tensor:
        """The images of one batch, uint8, on the device."""
        if self._resident_NFT is None:
            return torch.from_numpy(self._host_NFT[index_N]).to(self.device)
        return self._resident_NFT[torch.from_numpy(index_N).to(self.device)]


def _fits(num_bytes: int, device: torch.device) -> bool:
    """Whether to keep that much on the device; on the CPU, the mapped file is as near as a copy would be."""
    if device.type == "cpu":
        return False
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return num_bytes <= RESIDENT_SHARE * free_bytes
