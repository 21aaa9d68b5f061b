"""The place of a process among those that train one network together: what of a batch is its own, and how
gradients meet.
"""

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from crtcore.signal.recording import IntArray


class Replicas:
    """`num` processes with a copy of the network each, of which this is number `rank`; by default one alone.

    Each trains on its part of every batch, and the mean of their gradients is that of the whole batch (Li et
    al. 2020, VLDB 13:3005, doi 10.14778/3415478.3415530), up to rounding, where no example's loss depends on
    the others. Batch norm in training mode makes it depend on them: on GPUs its statistics are taken over
    the parts of all processes (SyncBatchNorm), so that the number of GPUs is no part of a result. PyTorch has
    no such layer for CPUs: there each process normalises by its own part, and the running statistics are
    those of the first.
    """

    def __init__(self, rank: int = 0, num: int = 1) -> None:
        self.rank = rank
        self.num = num
        self._wrapped: DistributedDataParallel | None = None

    def synchronised(self, network: nn.Module, device: torch.device) -> None:
        """Make batch norm take its statistics over all processes where that can be had, in place."""
        if self.num > 1 and device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network whose backward pass averages gradients over all processes."""
        if self.num == 1:
            return network
        self._wrapped = DistributedDataParallel(network)
        return self._wrapped

    def part(self, row_N: IntArray) -> IntArray:
        """This process's rows; the parts of all processes differ in length by one at most."""
        return np.array_split(row_N, self.num)[self.rank]

    def accumulating(self) -> AbstractContextManager[None]:
        """Inside, gradients add up here and are not averaged yet."""
        if self._wrapped is None:
            return nullcontext()
        context: AbstractContextManager[None] = self._wrapped.no_sync()
        return context

    def mean(self, value: Tensor) -> Tensor:
        """The mean of all processes' values."""
        if self.num > 1:
            distributed.all_reduce(value)
            value /= self.num
        return value
