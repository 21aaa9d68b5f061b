import torch

from crtcore.model.backbones import build
from crtcore.model.statistics import set_batch_statistics


def test_statistics_become_those_of_the_batches_and_weights_do_not_change() -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randint(0, 256, (16, 64, 64), dtype=torch.uint8, generator=generator) for _ in range(2)]
    network = build(18, 0)
    weights = {name: parameter.clone() for name, parameter in network.named_parameters()}
    set_batch_statistics(network, batches)
    assert all(torch.equal(weights[name], parameter) for name, parameter in network.named_parameters())
    normalise, conv, norm = network.backbone.stem[:3]
    with torch.no_grad():
        mean_D = conv(normalise(torch.cat(batches))).mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, mean_D)
    assert not network.training
    assert norm.momentum == 0.1


def test_the_first_pass_over_images_replaces_earlier_statistics() -> None:
    batch = torch.randint(0, 256, (16, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    network = build(18, 0)
    set_batch_statistics(network, [255 - batch])
    set_batch_statistics(network, [batch])
    fresh = build(18, 0)
    set_batch_statistics(fresh, [batch])
    assert all(torch.equal(tensor, fresh.state_dict()[name]) for name, tensor in network.state_dict().items())
