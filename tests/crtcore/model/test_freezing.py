import pytest
import torch

from crtcore.model.backbones import GROUPS, Classifier, build
from crtcore.model.freezing import freeze_groups


def train_one_step(network: Classifier) -> None:
    image_NFT = torch.randint(
        0, 256, (8, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network.train()
    torch.autograd.backward(torch.nn.functional.cross_entropy(network(image_NFT), torch.arange(8) % 2))
    optimizer.step()


@pytest.mark.parametrize("num_groups", [0, 3, 5])
def test_training_changes_all_groups_but_the_frozen_ones(num_groups: int) -> None:
    network = build(18, 0, ("a", "b"))
    freeze_groups(network.backbone, num_groups)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    train_one_step(network)
    after = network.state_dict()
    frozen = tuple(f"backbone.{name}." for name in GROUPS[:num_groups])
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert not [name for name in moved if frozen and name.startswith(frozen)]
    for name in GROUPS[num_groups:]:
        of_group = {key for key in moved if key.startswith(f"backbone.{name}.")}
        assert any(key.endswith("running_mean") for key in of_group)
        assert any(key.endswith("weight") for key in of_group)
    assert "head.weight" in moved


def test_freezing_fewer_groups_unfreezes_the_rest() -> None:
    backbone = build(18, 0).backbone
    freeze_groups(backbone, 5)
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    freeze_groups(backbone, 1)
    assert [group.training for group in backbone.train().groups()] == [False, True, True, True, True]
    assert all(parameter.requires_grad for parameter in backbone.tail(1).parameters())
