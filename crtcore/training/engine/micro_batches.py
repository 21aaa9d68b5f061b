"""The gradient of a batch, computed in pieces that fit in memory."""

import math
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from crtcore.signal.recording import IntArray
from crtcore.training.engine.replicas import Replicas

PieceLoss = Callable[[IntArray], Tensor]
"""The share of some examples in the loss of their batch. The shares of all pieces add up to the loss."""


class MicroBatches:
    """Accumulates gradients over pieces of a batch. If memory runs out, pieces become half as large.

    The first batch starts as one piece of at most `size`, and the size that fits is kept for later batches.
    The pieces give the gradient of the whole batch up to rounding if no example's loss depends on the others.
    Batch norm in training mode breaks that: each piece is normalised by its own statistics, and the running
    statistics are updated once per piece (also by pieces that are tried again). With several processes, out
    of memory is an error, because one process cannot repeat a piece alone.
    """

    def __init__(self, size: int | None = None, replicas: Replicas | None = None) -> None:
        self.size = size  # None: no batch was too large so far
        self._replicas = replicas or Replicas()

    def accumulate(self, batch: IntArray, piece_loss: PieceLoss, optimizer: torch.optim.Optimizer) -> Tensor:
        """Set the gradients of the optimiser's parameters to those of `batch`. Returns the loss, detached.

        Raises torch.OutOfMemoryError if a single example is too large or several processes train together.
        """
        while True:
            optimizer.zero_grad()
            size = len(batch) if self.size is None else self.size
            pieces = np.array_split(batch, math.ceil(len(batch) / size))
            try:
                losses = []
                for number, piece in enumerate(pieces, 1):
                    with self._replicas.accumulating() if number < len(pieces) else nullcontext():
                        losses.append(_backward(piece_loss(piece)))
                return losses[0] if len(losses) == 1 else torch.stack(losses).sum()
            except torch.OutOfMemoryError:
                largest = len(pieces[0])
                if largest == 1 or self._replicas.num > 1:
                    raise
            # Outside of `except`, where the exception would keep the tensors of the failed piece alive.
            self.size = math.ceil(largest / 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _backward(loss: Tensor) -> Tensor:
    torch.autograd.backward(loss)
    return loss.detach()
