from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from crtcore.model.backbones import build
from crtcore.training.engine.replicas import Replicas


@pytest.mark.parametrize("architecture", ["resnet", "resnet1d"])
def test_on_gpus_batch_norm_uses_the_statistics_of_all_processes(architecture: str) -> None:
    network = build(18, 0, ("a", "b"), architecture=architecture)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    parameters = list(network.parameters())
    Replicas(0, 2).synchronised(network, torch.device("cpu"))
    Replicas().synchronised(network, torch.device("cuda"))
    assert not [module for module in network.modules() if isinstance(module, nn.SyncBatchNorm)]
    Replicas(0, 2).synchronised(network, torch.device("cuda"))
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == 20
    assert all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)
    # The stored tensors and those of the optimiser are the same as with one process.
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert [id(parameter) for parameter in network.parameters()] == [id(each) for each in parameters]


@pytest.mark.parametrize("num_rows", [3, 10, 11])
def test_each_row_is_in_one_part_and_parts_have_similar_sizes(num_rows: int) -> None:
    row_N = np.random.default_rng(0).permutation(num_rows)
    parts = [Replicas(rank, 3).part(row_N) for rank in range(3)]
    assert np.array_equal(np.concatenate(parts), row_N)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_single_process_trains_the_network_itself_on_all_rows() -> None:
    alone, network = Replicas(), nn.Linear(2, 2)
    assert alone.wrap(network) is network
    assert np.array_equal(alone.part(np.arange(5)), np.arange(5))
    assert isinstance(alone.accumulating(), nullcontext)
    assert float(alone.mean(torch.tensor(3.0))) == 3.0
