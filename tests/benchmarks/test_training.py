import numpy as np
import torch

from benchmarks.training import CLASSES, Items, Plain
from crtcore.model.backbones import build


def test_the_plain_network_is_ours_on_images_that_the_loader_normalised() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    items = Items(images, torch.tensor([0, 1, 2]))
    with torch.no_grad():
        plain = Plain(18).eval()(torch.stack([items[row][0] for row in range(len(items))]))
        ours = build(18, 0, CLASSES).eval()(torch.from_numpy(images))
    torch.testing.assert_close(plain, ours, rtol=1e-3, atol=1e-4)
    assert [items[row][1] for row in range(3)] == [0, 1, 2]
