"""Batch-norm statistics of a network that was never trained."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def set_batch_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of all batch norms by their mean over `batches`, in place; no weight
    moves.

    The network is left in eval mode. A random network's running statistics are 0 and 1 until then, which is
    far from what its layers give, and its frozen features would be the worse for it.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's sign for a cumulative mean
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
