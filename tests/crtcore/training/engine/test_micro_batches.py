import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crtcore.model.architectures import Normalise
from crtcore.model.backbones import GROUPS, build
from crtcore.model.freezing import freeze_groups
from crtcore.signal.recording import IntArray
from crtcore.training.engine.micro_batches import MicroBatches

IMAGES = torch.randint(0, 256, (12, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 2


class ScarceMemory:
    """The mean loss of a batch of 12, of which at most `room` examples fit in memory."""

    def __init__(self, network: nn.Module, room: int) -> None:
        self.network = network
        self.room = room
        self.sizes: list[int] = []

    def __call__(self, piece: IntArray) -> Tensor:
        self.sizes.append(len(piece))
        if len(piece) > self.room:
            raise torch.OutOfMemoryError("no room")
        logit_NK = self.network(IMAGES[torch.from_numpy(piece)])
        return cross_entropy(logit_NK, LABELS[torch.from_numpy(piece)], reduction="sum") / 12


def gradients(room: int, *, frozen_statistics: bool) -> tuple[list[int], float, list[Tensor]]:
    network = build(18, 0, ("a", "b"))
    if frozen_statistics:
        freeze_groups(network.backbone, len(GROUPS))
        network.requires_grad_(True)  # weights change; batch-norm statistics do not
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    memory = ScarceMemory(network, room)
    loss = MicroBatches().accumulate(np.arange(12), memory, optimizer)
    return memory.sizes, float(loss), [p.grad for p in network.parameters() if p.grad is not None]


def test_if_a_batch_does_not_fit_its_pieces_give_the_same_gradient() -> None:
    sizes, loss, whole = gradients(12, frozen_statistics=True)
    assert sizes == [12]
    tried, accumulated_loss, accumulated = gradients(4, frozen_statistics=True)
    assert tried == [12, 6, 3, 3, 3, 3]
    assert accumulated_loss == pytest.approx(loss, rel=1e-5)
    assert len(whole) == len(accumulated) > 60
    for ours, theirs in zip(accumulated, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_batch_norm_in_training_mode_makes_pieces_differ() -> None:
    _, loss, _ = gradients(12, frozen_statistics=False)
    _, other, _ = gradients(4, frozen_statistics=False)
    assert abs(loss - other) > 1e-3


def test_the_size_that_fits_is_kept_and_gradients_from_before_the_failure_are_dropped() -> None:
    network = nn.Sequential(Normalise(), nn.Flatten(), nn.Linear(64 * 64, 2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    micro_batches = MicroBatches()
    memory = ScarceMemory(network, 7)
    micro_batches.accumulate(np.arange(12), memory, optimizer)
    memory.room = 2
    micro_batches.accumulate(np.arange(12), memory, optimizer)
    assert memory.sizes == [12, 6, 6, 6, 3, 2, 2, 2, 2, 2, 2]
    assert micro_batches.size == 2
    memory.sizes.clear()
    micro_batches.accumulate(np.arange(12), memory, optimizer)
    assert memory.sizes == [2] * 6


def test_a_single_example_that_does_not_fit_is_an_error() -> None:
    network = nn.Linear(2, 2)
    with pytest.raises(torch.OutOfMemoryError):
        MicroBatches().accumulate(
            np.arange(12), ScarceMemory(network, 0), torch.optim.SGD(network.parameters())
        )
