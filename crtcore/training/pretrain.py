"""The stage `pretrain`: a ResNet learns to tell heartbeats apart, each image an example of its own."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor
from torch.nn.functional import cross_entropy

from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.model.backbones import Classifier, build
from crtcore.model.checkpoint import encode_classifier, load_training_state, training_state
from crtcore.model.statistics import set_batch_statistics
from crtcore.seeding import child_seed
from crtcore.signal.recording import IntArray
from crtcore.stages import Stage, StageStore
from crtcore.training.device import DeviceImages
from crtcore.training.epochs import (
    EpochReport,
    encode_history,
    fit,
    num_batches,
    set_learning_rate,
    shuffled_batches,
)
from crtcore.training.pretrain_set import class_weights, pretrain_set

PRETRAIN_VERSION: Final = 1
MODEL_FILE: Final = "model.safetensors"
HISTORY_FILE: Final = "history.json"
NUM_STATISTICS_IMAGES: Final = 4096
STATISTICS_BATCH_SIZE: Final = 256
SCORING_BATCH_SIZE: Final = 512


def pretrain_stage(experiment: Experiment, arrhythmia: Stage) -> Stage:
    """The identity of one pre-training: its settings, the seed and the images. An untrained network has few
    settings.
    """
    config = experiment.pretrain.model_dump(mode="json")
    if experiment.pretrain.objective == "none":
        config = {name: config[name] for name in ("depth", "objective")}
    return Stage(
        name="pretrain",
        config={**config, "seed": experiment.seed},
        inputs=(arrhythmia.digest,),
        version=PRETRAIN_VERSION,
    )


def run_pretrain(
    store: StageStore, stage: Stage, experiment: Experiment, arrhythmia: Stage, device: torch.device
) -> Iterator[EpochReport]:
    """Train the network and commit it; one report an epoch, none where it is committed already.

    Commits `model.safetensors`, `history.json` and facts. With objective `none` the weights stay random and
    only the batch-norm statistics are set, in one pass over a sample of the images, so that frozen features
    are a fair control. Raises DataError if the images cannot serve the objective or split, DivergedError if
    the loss leaves the finite numbers.
    """
    if store.find(stage) is not None:
        return
    images = load_images(store, arrhythmia)
    if experiment.pretrain.objective == "none":
        network, report = _untrained(stage, experiment, images, device)
        _commit(store, stage, network, [report])
        yield report
        return
    learner = _Pretraining(experiment, images, device)
    yield from fit(
        store,
        stage,
        learner,
        num_epochs=experiment.pretrain.epochs,
        finish=lambda reports: _commit(store, stage, learner.network, reports),
    )


def _commit(store: StageStore, stage: Stage, network: Classifier, reports: list[EpochReport]) -> None:
    facts = {
        "depth": network.backbone.depth,
        "objective": stage.config["objective"],
        "classes": list(network.classes),
        "metrics": reports[-1].metrics,
        "num_images": reports[-1].num_images,
        "seconds": sum(report.seconds for report in reports),
    }
    files = {
        MODEL_FILE: encode_classifier(network),
        HISTORY_FILE: json.dumps(encode_history(reports), indent=1).encode(),
    }
    store.commit(stage, files, facts)


def _untrained(
    stage: Stage, experiment: Experiment, images: ImageSet, device: torch.device
) -> tuple[Classifier, EpochReport]:
    start_s = time.monotonic()
    seed = child_seed(experiment.seed, "pretrain")
    network = build(experiment.pretrain.depth, child_seed(seed, "initial")).to(device)
    order = np.random.default_rng(child_seed(seed, "statistics")).permutation(images.num_images)
    sample = order[:NUM_STATISTICS_IMAGES]
    batches = np.array_split(sample, num_batches(len(sample), STATISTICS_BATCH_SIZE))
    on_device = DeviceImages(images.image_NFT, device)
    set_batch_statistics(network, (on_device.take(batch) for batch in batches))
    report = EpochReport(
        stage=stage.name,
        epoch=1,
        num_epochs=1,
        metrics={},
        num_images=len(sample),
        seconds=time.monotonic() - start_s,
    )
    return network, report


class _Pretraining:
    """The learner: cross-entropy over beat classes, AdamW, one cycle of the learning rate."""

    def __init__(self, experiment: Experiment, images: ImageSet, device: torch.device) -> None:
        self._config = experiment.pretrain
        self._seed = child_seed(experiment.seed, "pretrain")
        self._set = pretrain_set(images, objective=self._config.objective, split=self._config.split)
        self._images = DeviceImages(images.image_NFT, device)
        self._label_N = torch.from_numpy(self._set.label_N).to(device)
        num_classes = len(self._set.classes)
        self._weight_K = torch.ones(num_classes, device=device)
        if self._config.balance == "weighted_loss":
            weight_K = class_weights(self._set.label_N[self._set.train], num_classes)
            self._weight_K = torch.from_numpy(weight_K).to(device)
        initial_seed = child_seed(self._seed, "initial")
        self.network = build(self._config.depth, initial_seed, self._set.classes).to(device)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), weight_decay=self._config.weight_decay, fused=True
        )

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        train, config = self._set.train, self._config
        batches = shuffled_batches(len(train), config.batch_size, child_seed(self._seed, "order", epoch))
        self.network.train()
        loss_sum = torch.zeros((), device=self._label_N.device)
        num_right = torch.zeros((), device=self._label_N.device)
        for step, batch in enumerate(batches, (epoch - 1) * len(batches)):
            set_learning_rate(self._optimizer, step, config.epochs * len(batches), config.learning_rate)
            label_N, logit_NK = self._label_and_logit(train[batch])
            # Each example's own weight over the batch size; PyTorch's weighted mean would divide the weights
            # out again.
            loss = cross_entropy(logit_NK, label_N, self._weight_K, reduction="sum") / len(batch)
            self._optimizer.zero_grad()
            torch.autograd.backward(loss)
            self._optimizer.step()
            loss_sum += loss.detach() * len(batch)
            num_right += (logit_NK.argmax(dim=1) == label_N).sum()
        metrics = {"loss": float(loss_sum) / len(train), "train_accuracy": float(num_right) / len(train)}
        return metrics | (self._test_scores() if len(self._set.test) else {}), len(train)

    def _label_and_logit(self, row_N: IntArray) -> tuple[Tensor, Tensor]:
        label_N = self._label_N[torch.from_numpy(row_N).to(self._label_N.device)]
        return label_N, self.network(self._images.take(row_N))

    @torch.inference_mode()
    def _test_scores(self) -> dict[str, float]:
        """Accuracy and F1 over the images of the test records, macro-averaged over the classes that occur
        there.
        """
        self.network.eval()
        test = self._set.test
        batches = np.array_split(test, num_batches(len(test), SCORING_BATCH_SIZE))
        predicted_N = (
            torch.cat([self._label_and_logit(batch)[1].argmax(dim=1) for batch in batches]).cpu().numpy()
        )
        label_N = self._set.label_N[test]
        present = np.unique(label_N)
        f1_K = f1_score(label_N, predicted_N, labels=present, average=None, zero_division=0.0)
        return {
            "image_accuracy": float((predicted_N == label_N).mean()),
            "image_macro_f1": float(f1_K.mean()),
            **{f"image_f1_{self._set.classes[k]}": float(f1) for k, f1 in zip(present, f1_K, strict=True)},
        }

    def state(self) -> dict[str, Tensor]:
        return training_state(self.network, self._optimizer)

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        load_training_state(self.network, self._optimizer, tensors, name=name)
