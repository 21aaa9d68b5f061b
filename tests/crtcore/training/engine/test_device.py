from collections.abc import Iterator

import numpy as np
import pytest
import torch

from crtcore.config import TrialResources
from crtcore.errors import ConfigError
from crtcore.training.engine.device import DeviceImages, use_device


@pytest.fixture
def threads() -> Iterator[None]:
    num_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(num_threads)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("cpus", "num_threads"), [(0.5, 1), (1, 1), (2.0, 2)])
def test_a_trial_without_gpu_runs_on_its_cpus(cpus: float, num_threads: int) -> None:
    assert use_device(TrialResources(cpus=cpus)) == torch.device("cpu")
    assert torch.get_num_threads() == num_threads


@pytest.mark.usefixtures("threads")
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_gpu_is_an_error_with_the_remedy() -> None:
    with pytest.raises(
        ConfigError, match=r"resources.trial.gpus is 0.5 and no GPU is visible .* set it to 0"
    ):
        use_device(TrialResources(gpus=0.5))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_images_are_taken_by_row(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    image_NFT = np.random.default_rng(0).integers(0, 256, (5, 64, 64), dtype=np.uint8)
    image_NFT.flags.writeable = False  # as mapped files are
    images = DeviceImages(image_NFT, torch.device(device))
    assert len(images) == 5
    taken = images.take(np.array([3, 0, 3]))
    assert taken.device.type == device
    assert np.array_equal(taken.cpu().numpy(), image_NFT[[3, 0, 3]])
