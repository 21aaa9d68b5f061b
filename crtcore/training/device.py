"""Where a trial computes: the device it was given and the CPU threads it may use."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from crtcore.config import TrialResources
from crtcore.errors import ConfigError
from crtcore.signal.recording import IntArray


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
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda")


class DeviceImages:
    """Images that batches are taken from: resident on a GPU, or left in the mapped file whose pages processes
    share.

    `image_NFT` is uint8, shape (images, 64, 64).
    """

    def __init__(self, image_NFT: npt.NDArray[np.uint8], device: torch.device) -> None:
        self.device = device
        self._host_NFT = image_NFT
        self._resident_NFT = (
            None if device.type == "cpu" else torch.from_numpy(np.array(image_NFT)).to(device)
        )

    def __len__(self) -> int:
        return len(self._host_NFT)

    def take(self, index_N: IntArray) -> Tensor:
        """The images of one batch, uint8, on the device."""
        if self._resident_NFT is None:
            return torch.from_numpy(self._host_NFT[index_N])
        return self._resident_NFT[torch.from_numpy(index_N).to(self.device)]
