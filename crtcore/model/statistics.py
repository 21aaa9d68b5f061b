"""Batch-norm statistics of a network that was never trained."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def set_batch_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of all batch norms to their mean over `batches`, in place.

    No weight changes. The network is in eval mode afterwards. The running statistics of a random network are
    0 and 1, which is far from the statistics of its layers, so its frozen features would be poor.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch then computes a cumulative mean
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
