"""Images per second in pre-training, against a plain loop with NCHW float32 and a DataLoader of single items.

    python -m benchmarks.training            # ResNet-18 on one CPU thread, or ResNet-50 on a GPU
    python -m benchmarks.training --quick    # few images, a minute

Both train on the same random 64 x 64 images with AdamW. `ratio` is for our faster precision. The rate of
matrix products in this precision is measured too, and `fraction_of_matmul_rate` is the share of it that
training reaches. Code with as many multiplications cannot be faster than its inverse. CPUs without AVX-512
have no bfloat16 products, so only float32 is measured there. Rounds alternate, and rates are medians. The
last line is one JSON object.
"""

import argparse
import json
import platform
import statistics
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.provenance import provenance
from crtcore.config import TrialResources
from crtcore.model.backbones import build
from crtcore.training.engine.device import DeviceImages, Precision, autocast, use_device
from crtcore.training.engine.epochs import shuffled_batches

CLASSES = ("N", "S", "V", "F", "Q")
MATMUL_SIZE = {"cuda": 8192, "cpu": 1024}
Images = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


class Items(Dataset[tuple[Tensor, int]]):
    """A simple data set: one image at a time, normalised on access."""

    def __init__(self, images: Images, labels: Tensor) -> None:
        self._images = images
        self._labels = labels

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(self._images[index]).float() / 255
        return ((image - 0.5) / 0.25).unsqueeze(0), int(self._labels[index])


class Plain(nn.Module):
    """The same layers on normalised float32 images, in NCHW."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        network = build(depth, 0, CLASSES).to(memory_format=torch.contiguous_format)
        backbone = network.backbone
        self.layers = nn.Sequential(backbone.stem[1:], *backbone.groups()[1:], backbone.pool, network.head)

    def forward(self, x_N1FT: Tensor) -> Tensor:
        logit_NK: Tensor = self.layers(x_N1FT)
        return logit_NK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few images, one round")
    arguments = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    device = use_device(TrialResources(cpus=1, gpus=int(on_gpu)))
    depth, batch_size, num_images = (50, 512, 51_200) if on_gpu else (18, 64, 640)
    rounds = 1 if arguments.quick else 5
    num_images = 2 * batch_size if arguments.quick else num_images
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (num_images, 64, 64), dtype=np.uint8)
    labels = torch.from_numpy(generator.integers(0, len(CLASSES), num_images))
    rates: dict[str, list[float]] = {"plain": [], "float32": []}
    if on_gpu or "AVX512" in torch.backends.cpu.get_cpu_capability():
        rates["bfloat16"] = []
    for number in range(rounds + 1):
        for name, measured in rates.items():
            seconds = (
                _plain(images, labels, depth, batch_size, device)
                if name == "plain"
                else _ours(images, labels, depth, batch_size, device, name)  # type: ignore[arg-type]
            )
            if number:  # the first round warms up
                measured.append(num_images / seconds)
    median = {name: statistics.median(measured) for name, measured in rates.items()}
    precision: Precision = "bfloat16" if median.get("bfloat16", 0) > median["float32"] else "float32"
    ratio = median[precision] / median["plain"]
    goal = 3.0 if on_gpu else 2.0
    report = {
        **provenance("training"),
        "device": torch.cuda.get_device_name() if on_gpu else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "network": f"resnet{depth}",
        "batch_size": batch_size,
        "num_images": num_images,
        "rounds": rounds,
        "images_per_s": {name: round(rate, 1) for name, rate in median.items()},
        "ratio": round(ratio, 2),
        "goal": goal,
        "goal_met": ratio >= goal,
        "precision": precision,
        **_matmul_share(depth, median[precision], device, precision),
    }
    print(json.dumps(report))


def _plain(images: Images, labels: Tensor, depth: int, batch_size: int, device: torch.device) -> float:
    network = Plain(depth).to(device)
    optimizer = torch.optim.AdamW(network.parameters())
    loader = DataLoader(Items(images, labels), batch_size=batch_size, shuffle=True)
    network.train()
    start = _now(device)
    for x_N1FT, label_N in loader:
        optimizer.zero_grad()
        cross_entropy(network(x_N1FT.to(device)), label_N.to(device)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return _now(device) - start


def _ours(
    images: Images, labels: Tensor, depth: int, batch_size: int, device: torch.device, precision: Precision
) -> float:
    network = build(depth, 0, CLASSES).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    on_device, label_N = DeviceImages(images, device), labels.to(device)
    network.train()
    start = _now(device)
    for batch in shuffled_batches(len(images), batch_size, seed=0):
        optimizer.zero_grad()
        with autocast(device, precision):
            logit_NK = network(on_device.take(batch))
        loss = cross_entropy(logit_NK.float(), label_N[torch.from_numpy(batch).to(device)])
        torch.autograd.backward(loss)
        optimizer.step()
    return _now(device) - start


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _matmul_share(
    depth: int, images_per_s: float, device: torch.device, precision: Precision
) -> dict[str, float]:
    """Training counts as three forward passes (forward, gradients of inputs, gradients of weights)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build(depth, 0, CLASSES).eval()(torch.zeros(1, 64, 64, dtype=torch.uint8))
    size = MATMUL_SIZE[device.type]
    a = torch.randn(size, size, device=device, dtype=getattr(torch, precision))
    for _ in range(3):
        a @ a
    start = _now(device)
    for _ in range(20):
        a @ a
    rate = 20 * 2 * size**3 / (_now(device) - start)
    reached = 3 * counter.get_total_flops() * images_per_s
    return {"matmul_tflops": round(rate / 1e12, 4), "fraction_of_matmul_rate": round(reached / rate, 4)}


if __name__ == "__main__":
    main()
