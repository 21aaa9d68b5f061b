"""One process of those that train a network together: its part of a batch, and the mean of gradients."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from crtcore.signal.recording import IntArray


class Replicas:
    """`num` processes that each have a copy of the network.

    This is number `rank`. The default is one process.

    Each process trains on its part of every batch. The mean of their gradients is the gradient of the whole
    batch up to rounding (Li et al. 2020, VLDB 13:3005, doi 10.14778/3415478.3415530), if no example's loss
    depends on the others. With batch norm in training mode it does depend on them. On GPUs, its statistics
    are computed over all processes (SyncBatchNorm), so the result does not depend on the number of GPUs.
    PyTorch has no such layer for CPUs: there, each process normalises by its own part, and the running
    statistics are those of the first process.
    """

    def __init__(self, rank: int = 0, num: int = 1) -> None:
        self.rank = rank
        self.num = num
        self._wrapped: DistributedDataParallel | None = None

    def synchronised(self, network: nn.Module, device: torch.device) -> None:
        """Make batch norm compute its statistics over all processes (on GPUs only), in place."""
        if self.num > 1 and device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network whose backward pass averages gradients over all processes."""
        if self.num == 1:
            return network
        self._wrapped = DistributedDataParallel(network)
        return self._wrapped

    def part(self, row_N: IntArray) -> IntArray:
        """The rows of this process. The parts of all processes differ in length by at most one."""
        return np.array_split(row_N, self.num)[self.rank]

    def accumulating(self) -> AbstractContextManager[None]:
        """A context in which gradients add up in this process and are not averaged yet."""
        if self._wrapped is None:
            return nullcontext()
        context: AbstractContextManager[None] = self._wrapped.no_sync()
        return context

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over all processes."""
        if self.num > 1:
            distributed.all_reduce(value)
            value /= self.num
        return value
