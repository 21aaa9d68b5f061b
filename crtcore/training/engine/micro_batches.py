"""The gradient of a whole batch, from as many pieces as the memory asks for."""

import math
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from crtcore.signal.recording import IntArray
from crtcore.training.engine.replicas import Replicas

PieceLoss = Callable[[IntArray], Tensor]
"""The share of some examples in the loss of their batch: over its pieces it adds up to the batch's."""


class MicroBatches:
    """Accumulates gradients over pieces of a batch; where memory runs out, pieces become half as large.

    A batch starts as one piece, and the size that fits is kept for the batches that follow. Pieces give the
    gradient of the whole batch up to rounding, as long as no example's loss depends on the others. Batch norm
    in training mode breaks that: each piece is normalised by its own statistics, and the running ones move
    once a piece (a batch that runs out of memory moves them a little more). `size` is the largest piece that
    is tried. Of several processes none can repeat a piece by itself, so that there the error is raised.
    """

    def __init__(self, size: int | None = None, replicas: Replicas | None = None) -> None:
        self.size = size  # None: no piece was too large yet
        self._replicas = replicas or Replicas()

    def accumulate(self, batch: IntArray, piece_loss: PieceLoss, optimizer: torch.optim.Optimizer) -> Tensor:
        """Set the gradients of the optimiser's parameters to those of `batch`; returns its loss, detached.

        Raises torch.OutOfMemoryError if a single example is too large, or others train along.
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
            # Out here, for the exception holds on to the tensors of the piece that failed.
            self.size = math.ceil(largest / 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _backward(loss: Tensor) -> Tensor:
    torch.autograd.backward(loss)
    return loss.detach()
