"""The time of fine-tuning with the frozen groups run once, against running them in each epoch under no_grad.

    python -m benchmarks.finetune            # 2,400 images, 20 epochs: about an hour on one core
    python -m benchmarks.finetune --quick    # 96 images, 2 epochs, a minute

ResNet-18 in float32 on random images, two folds, one thread. The peer trains the same folds on the same
batches with the whole network, with its frozen groups in eval mode and without gradients. Our time includes
the stage `features` and the training. `speedup_next_trial` is for one more head-only trial on stored
features. The last line is one JSON object.
"""

import argparse
import json
import time

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.provenance import provenance
from crtcore.config import FinetuneConfig
from crtcore.data.splits import Fold
from crtcore.model.backbones import GROUPS, build
from crtcore.model.freezing import freeze_groups
from crtcore.training.engine.device import DeviceImages
from crtcore.training.finetuning.cross_validation import initial_features
from crtcore.training.finetuning.features import frozen_activations
from crtcore.training.finetuning.fold_training import FoldTraining
from crtcore.training.finetuning.patients import PatientBeats
from crtcore.training.finetuning.stacked_heads import StackedHeads

NUM_PATIENTS = 24
NUM_LEADS = 2
NUM_FOLDS = 2
SIZES = {False: (2400, 20), True: (96, 2)}  # number of images and epochs, by --quick
GOALS = {"speedup_k5": 15.0, "speedup_k4": 1.3, "speedup_next_trial": 50.0}
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="96 images, 2 epochs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    num_images, num_epochs = SIZES[arguments.quick]
    images = np.random.default_rng(0).integers(0, 256, (num_images, 64, 64), dtype=np.uint8)
    seconds: dict[str, float] = {}
    for k in (4, len(GROUPS)):
        config = FinetuneConfig(frozen_groups=k, epochs=num_epochs, batch_size=64)
        start_s = [time.perf_counter()]
        _peer(images, k, config)
        start_s.append(time.perf_counter())
        activations = _prefix(images, k)
        start_s.append(time.perf_counter())
        _ours(activations, k, config)
        start_s.append(time.perf_counter())
        for name, spent in zip(("peer", "prefix", "training"), np.diff(start_s), strict=True):
            seconds[f"{name}_k{k}"] = float(spent)
    ours = {k: seconds[f"prefix_k{k}"] + seconds[f"training_k{k}"] for k in (4, 5)}
    speedups = {
        "speedup_k5": seconds["peer_k5"] / ours[5],
        "speedup_k4": seconds["peer_k4"] / ours[4],
        "speedup_next_trial": seconds["peer_k5"] / seconds["training_k5"],
    }
    report = {
        **provenance("finetune"),
        "device": "cpu",
        "threads": 1,
        "num_images": num_images,
        "num_epochs": num_epochs,
        "num_folds": NUM_FOLDS,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        **{name: round(value, 2) for name, value in speedups.items()},
        "goals": GOALS,
        "goals_met": all(speedups[name] >= goal for name, goal in GOALS.items()),
    }
    print(json.dumps(report))


def _beats(inputs: Tensor) -> PatientBeats:
    num_beats = len(inputs) // NUM_LEADS
    return PatientBeats(
        inputs=inputs.reshape(num_beats, NUM_LEADS, *inputs.shape[1:]),
        scalar_BCE=torch.empty(num_beats, NUM_LEADS, 0),
        patient_B=np.sort(np.arange(num_beats) % NUM_PATIENTS),
        id_P=np.array([f"{patient:03}" for patient in range(NUM_PATIENTS)]),
        label_P=np.arange(NUM_PATIENTS) % 2,
    )


def _folds() -> tuple[Fold, ...]:
    fold_P = np.arange(NUM_PATIENTS) // 2 % NUM_FOLDS
    return tuple(
        Fold(train_P=np.flatnonzero(fold_P != fold), test_P=np.flatnonzero(fold_P == fold))
        for fold in range(NUM_FOLDS)
    )


def _peer(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], k: int, config: FinetuneConfig) -> None:
    backbone = build(18, 0).backbone
    freeze_groups(backbone, k)
    beats = _beats(torch.from_numpy(images))
    _fold_by_fold(_Frozen(backbone.prefix(k), backbone.tail(k)), beats, config)


class _Frozen(nn.Module):
    """The frozen groups without gradients, then the other groups."""

    def __init__(self, prefix: nn.Module, tail: nn.Module) -> None:
        super().__init__()
        self.prefix = prefix
        self.tail = tail

    def train(self, mode: bool = True) -> "_Frozen":
        super().train(mode)
        self.prefix.eval()
        return self

    def forward(self, image_NFT: Tensor) -> Tensor:
        with torch.no_grad():
            activation = self.prefix(image_NFT)
        features_ND: Tensor = self.tail(activation)
        return features_ND


def _prefix(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], k: int) -> Tensor:
    return frozen_activations(build(18, 0).backbone, DeviceImages(images, CPU), k)


def _ours(activations: Tensor, k: int, config: FinetuneConfig) -> None:
    beats = _beats(activations)
    if k < len(GROUPS):
        _fold_by_fold(build(18, 0).backbone.tail(k), beats, config)
        return
    heads = StackedHeads(beats, _folds(), config)
    for epoch in range(1, config.epochs + 1):
        heads.run_epoch(epoch, range(NUM_FOLDS))
        heads.test_logits()


def _fold_by_fold(body: nn.Module, beats: PatientBeats, config: FinetuneConfig) -> None:
    features_BCD = initial_features(body, beats)
    runs = [FoldTraining(body, features_BCD, beats, fold, config) for fold in _folds()]
    for epoch in range(1, config.epochs + 1):
        for number, run in enumerate(runs):
            run.run_epoch(epoch, number)
            run.test_logits()


if __name__ == "__main__":
    main()
