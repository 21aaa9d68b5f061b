"""Train a network to classify heartbeats. Each image is one example."""

import functools
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crtcore.config import Experiment
from crtcore.data.loader import ImageSet
from crtcore.errors import ConfigError
from crtcore.model.backbones import build
from crtcore.model.checkpoint import load_training_state, training_state
from crtcore.seeding import child_seed
from crtcore.signal.recording import IntArray
from crtcore.training.engine.device import DeviceImages, autocast
from crtcore.training.engine.epochs import num_batches, set_learning_rate, shuffled_batches
from crtcore.training.engine.micro_batches import MicroBatches
from crtcore.training.engine.replicas import Replicas
from crtcore.training.pretraining.beat_scores import BeatScores
from crtcore.training.pretraining.pretrain_set import PretrainSet
from crtcore.training.pretraining.priors import class_weights, corrected_log_probabilities

SCORING_BATCH_SIZE = 512


class BeatTraining:
    """The learner: cross-entropy over beat classes, AdamW, a one-cycle learning rate.

    After the last epoch it scores `chosen.test`, and `scores` is no longer None. These probabilities are
    corrected to the class shares before balancing. If several processes train together, only the first one
    scores. `piece_size` limits the images that a process takes at a time. Raises ConfigError if a batch has
    fewer images than there are processes.
    """

    def __init__(
        self,
        experiment: Experiment,
        images: ImageSet,
        chosen: PretrainSet,
        device: torch.device,
        *,
        replicas: Replicas | None = None,
        piece_size: int | None = None,
    ) -> None:
        self._replicas = replicas or Replicas()
        self._config = experiment.pretrain
        self._precision = experiment.resources.precision
        self._seed = child_seed(experiment.seed, "pretrain")
        self._set = chosen
        self._record_N = images.record_N
        self._images = DeviceImages(images.image_NFT, device)
        self._label_N = torch.from_numpy(self._set.label_N).to(device)
        num_classes = len(self._set.classes)
        self._balance_K = np.ones(num_classes, dtype=np.float32)
        if self._config.balance != "none":
            self._balance_K = class_weights(self._set.label_N[self._set.train], num_classes)
        weighted = self._config.balance == "weighted_loss"
        self._weight_K = torch.from_numpy(self._balance_K if weighted else np.ones_like(self._balance_K))
        self._weight_K = self._weight_K.to(device)
        self.network = build(
            self._config.depth,
            child_seed(self._seed, "initial"),
            self._set.classes,
            architecture=self._config.architecture,
        ).to(device)
        self._replicas.synchronised(self.network, device)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), weight_decay=self._config.weight_decay, fused=True
        )
        self._trained = self._replicas.wrap(self.network)
        self._micro_batches = MicroBatches(piece_size, self._replicas)
        self.scores: BeatScores | None = None

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        config = self._config
        batches = self._batches(child_seed(self._seed, "order", epoch))
        num_images = sum(map(len, batches))
        smallest = min(map(len, batches))
        if smallest < self._replicas.num:
            raise ConfigError(
                f"pretrain.batch_size {config.batch_size} gives batches of {smallest} images for "
                f"{self._replicas.num} processes; raise it, or lower resources.pretrain.gpus"
            )
        self._trained.train()
        loss_sum = torch.zeros((), device=self._label_N.device)
        for step, batch in enumerate(batches, (epoch - 1) * len(batches)):
            set_learning_rate(self._optimizer, step, config.epochs * len(batches), config.learning_rate)
            piece_loss = functools.partial(self._loss, num_images=len(batch))
            loss = self._micro_batches.accumulate(batch, piece_loss, self._optimizer)
            self._optimizer.step()
            loss_sum += loss * len(batch)
        metrics = {"loss": float(self._replicas.mean(loss_sum)) / num_images}
        scores_now = epoch == config.epochs and self._replicas.rank == 0
        if scores_now and len(self._set.test) and np.isfinite(metrics["loss"]):
            self.scores = self._test_scores()
            metrics |= _test_metrics(self.scores)
        return metrics, num_images

    def _batches(self, seed: int) -> list[IntArray]:
        """The images of an epoch in batches: each image once, or rare classes drawn more often."""
        train, config = self._set.train, self._config
        num_images = min(len(train), config.images_per_epoch or len(train))
        if config.balance == "balanced_sampling":
            weight_N = self._balance_K[self._set.label_N[train]].astype(np.float64)
            rng = np.random.default_rng(seed)
            drawn = rng.choice(len(train), size=num_images, p=weight_N / weight_N.sum())
            return [train[part] for part in np.array_split(drawn, num_batches(num_images, config.batch_size))]
        if num_images == len(train):
            return [train[batch] for batch in shuffled_batches(len(train), config.batch_size, seed)]
        drawn = np.random.default_rng(seed).permutation(len(train))[:num_images]
        return [train[part] for part in np.array_split(drawn, num_batches(num_images, config.batch_size))]

    def _loss(self, row_N: IntArray, *, num_images: int) -> Tensor:
        """The share of some images in the loss of a batch of `num_images`.

        With several processes, the mean of their shares is the share of all.
        """
        own_N = self._replicas.part(row_N)
        label_N = self._label_N[torch.from_numpy(own_N).to(self._label_N.device)]
        logit_NK = self._logits(self._trained, own_N)
        # Divided by the batch size: PyTorch's weighted mean would divide by the sum of the weights.
        loss = cross_entropy(logit_NK, label_N, self._weight_K, reduction="sum")
        return self._replicas.num * loss / num_images

    def _logits(self, network: nn.Module, row_N: IntArray) -> Tensor:
        with autocast(self._label_N.device, self._precision):
            logit_NK: Tensor = network(self._images.take(row_N))
        return logit_NK.float()

    @torch.inference_mode()
    def _test_scores(self) -> BeatScores:
        self.network.eval()
        test = self._set.test
        batches = np.array_split(test, num_batches(len(test), SCORING_BATCH_SIZE))
        logit_NK: npt.NDArray[np.float32] = (
            torch.cat([self._logits(self.network, b) for b in batches]).cpu().numpy()
        )
        return BeatScores(
            classes=self._set.classes,
            row_N=test,
            record_N=self._record_N[test],
            label_N=self._set.label_N[test],
            log_probability_NK=corrected_log_probabilities(logit_NK, self._balance_K),
        )

    def state(self) -> dict[str, Tensor]:
        return training_state(self.network, self._optimizer)

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        load_training_state(self.network, self._optimizer, tensors, name=name)


def _test_metrics(scores: BeatScores) -> dict[str, float]:
    """Accuracy and F1 over the scored images; the macro-F1 is the mean over classes that occur there."""
    label_N, predicted_N = scores.label_N, scores.predicted()
    present = np.unique(label_N)
    f1_K = f1_score(label_N, predicted_N, labels=present, average=None, zero_division=0.0)
    return {
        "image_accuracy": float((predicted_N == label_N).mean()),
        "image_macro_f1": float(f1_K.mean()),
        **{f"image_f1_{scores.classes[k]}": float(f1) for k, f1 in zip(present, f1_K, strict=True)},
    }
