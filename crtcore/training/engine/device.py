"""The device and the CPU threads that a trial computes with."""

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
# Share of the device's free memory for images; the rest is for networks and activations.
RESIDENT_SHARE: Final = 0.5


def use_device(resources: TrialResources) -> torch.device:
    """The device for a trial with these resources.

    Also sets this process's number of torch threads and fixes the cuDNN algorithms. On the CPU, a trial gives
    the same bits again on the same machine with the same number of threads. On a GPU, it gives the same up to
    rounding, because max pooling adds gradients in any order. Raises ConfigError if a GPU is asked for and
    none is visible.
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
    """Make cuDNN use the same algorithms each time, in this process."""
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """A context in which products are computed in `precision`; weights stay float32."""
    enabled = precision == "bfloat16"
    context: AbstractContextManager[None] = torch.autocast(device.type, torch.bfloat16, enabled=enabled)
    return context


def precision_identity(experiment: Experiment) -> dict[str, str]:
    """What the precision adds to the config of a stage that runs a network: nothing for float32."""
    precision = experiment.resources.precision
    return {} if precision == "float32" else {"precision": precision}


def on_device_if_it_fits(inputs: Tensor, device: torch.device) -> Tensor:
    """`inputs` moved to the device if they fit in half of its free memory, else unchanged."""
    return inputs.to(device) if _fits(inputs.nbytes, device) else inputs


class DeviceImages:
    """Images to take batches from.

    They are kept on the GPU if they fit in half of its free memory. Otherwise they stay in the mapped file,
    whose pages processes share. `image_NFT` is uint8, shape (images, 64, 64).
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
    """Whether to keep this much on the device. On the CPU, a copy would be no faster than the mapped file."""
    if device.type == "cpu":
        return False
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return num_bytes <= RESIDENT_SHARE * free_bytes
