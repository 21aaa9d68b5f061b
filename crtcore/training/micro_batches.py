"""The gradient of a whole batch, from as many pieces as the memory asks for."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from crtcore.signal.recording import IntArray

PieceLoss = Callable[[IntArray], Tensor]
"""The share of some examples in the loss of their batch: over its pieces it adds up to the batch's."""


class MicroBatches:
    """Accumulates gradients over pieces of a batch; where memory runs out, pieces become half as large.

    A batch starts as one piece, and the size that fits is kept for the batches that follow. Pieces give the
    gradient of the whole batch up to rounding, as long as no example's loss depends on the others. Batch norm
    in training mode breaks that: each piece is normalised by its own statistics, and the running ones move
    once a piece (a batch that runs out of memory moves them a little more).
    """

    def __init__(self) -> None:
        self.size: int | None = None  # no piece was too large yet

    def accumulate(self, batch: IntArray, piece_loss: PieceLoss, optimizer: torch.optim.Optimizer) -> Tensor:
        """Set the gradients of the optimiser's parameters to those of `batch`; returns its loss, detached.

        Raises torch.OutOfMemoryError if a single example is too large.
        """
        while True:
            optimizer.zero_grad()
            size = len(batch) if self.size is None else self.size
            pieces = np.array_split(batch, math.ceil(len(batch) / size))
            try:
                losses = [_backward(piece_loss(piece)) for piece in pieces]
                return losses[0] if len(losses) == 1 else torch.stack(losses).sum()
            except torch.OutOfMemoryError:
                largest = len(pieces[0])
                if largest == 1:
                    raise
            # Out here, for the exception holds on to the tensors of the piece that failed.
            self.size = math.ceil(largest / 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _backward(loss: Tensor) -> Tensor:
    torch.autograd.backward(loss)
    return loss.detach()
