"""The network of one fold: trained on the beats of some patients, scored on those of the others."""

import copy
import functools
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from crtcore.config import FinetuneConfig
from crtcore.data.splits import Fold, check_disjoint
from crtcore.model.checkpoint import load_training_state, training_state
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.training.engine.device import Precision
from crtcore.training.engine.epochs import num_batches, set_learning_rate, shuffled_batches
from crtcore.training.engine.micro_batches import MicroBatches
from crtcore.training.finetuning.heads import BeatHead, BeatNetwork
from crtcore.training.finetuning.patients import PatientBeats, beat_weights

SCORING_BATCH_SIZE = 512


class FoldTraining:
    """The network of one fold with its optimiser. `body` is copied, so all folds start with equal weights.

    `features_BCD` are the body's features of all beats before training, and the beats' scalars. The head
    standardises by the statistics of the training patients. Batch norm of the trained groups is in training
    mode: batches have hundreds of images, and its statistics follow the weights. Frozen groups keep their
    statistics. Raises DataError if a patient is on both sides of the fold.
    """

    def __init__(
        self,
        body: nn.Module,
        features_BCD: Tensor,
        beats: PatientBeats,
        fold: Fold,
        config: FinetuneConfig,
        precision: Precision = "float32",
    ) -> None:
        check_disjoint(beats.id_P[fold.train_P].tolist(), beats.id_P[fold.test_P].tolist())
        self.fold = fold
        self._beats = beats
        self._config = config
        self._train = beats.beats_of(fold.train_P)
        self._test = beats.beats_of(fold.test_P)
        device = beats.device
        patient_B = beats.patient_B[self._train]
        weight_B = beat_weights(patient_B, beats.label_P, balanced=config.class_weights == "balanced")
        self._weight_B = torch.from_numpy(weight_B).to(device)
        self._label_B = torch.from_numpy(beats.label_P[patient_B].astype(np.float32)).to(device)
        train_features_BCD = features_BCD[torch.from_numpy(self._train).to(device)]
        head = BeatHead(train_features_BCD, self._weight_B, config.lead_fusion)
        self.network = BeatNetwork(copy.deepcopy(body), head, precision)
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(trained, weight_decay=config.weight_decay, fused=True)
        self._micro_batches = MicroBatches()

    @property
    def num_train_images(self) -> int:
        return len(self._train) * self._beats.num_leads

    def run_epoch(self, epoch: int, seed: int) -> float:
        """Train once on all training beats, in the random order of `seed`. Returns the mean loss."""
        config = self._config
        batch_size = max(1, config.batch_size // self._beats.num_leads)
        batches = shuffled_batches(len(self._train), batch_size, seed)
        self.network.train()
        loss_sum = torch.zeros((), device=self._label_B.device)
        for step, batch in enumerate(batches, (epoch - 1) * len(batches)):
            set_learning_rate(self._optimizer, step, config.epochs * len(batches), config.learning_rate)
            piece_loss = functools.partial(self._loss, num_beats=len(batch))
            loss = self._micro_batches.accumulate(batch, piece_loss, self._optimizer)
            self._optimizer.step()
            loss_sum += loss * len(batch)
        self._optimizer.zero_grad()  # frees the gradients while other folds train
        return float(loss_sum) / len(self._train)

    def _loss(self, piece: IntArray, *, num_beats: int) -> Tensor:
        """The share of some training beats in the mean loss of a batch of `num_beats` beats."""
        logit_BV = self._votes(self._train[piece])
        on_device = torch.from_numpy(piece).to(self._label_B.device)
        label_BV = self._label_B[on_device].unsqueeze(1).expand_as(logit_BV)
        weight_B1 = self._weight_B[on_device].unsqueeze(1)
        loss = binary_cross_entropy_with_logits(logit_BV, label_BV, weight_B1, reduction="sum")
        return loss / (num_beats * logit_BV.shape[1])

    def _votes(self, beat_B: IntArray) -> Tensor:
        logit_BV: Tensor = self.network(self._beats.take(beat_B), self._beats.scalars(beat_B))
        return logit_BV

    @torch.no_grad()
    def test_logits(self) -> tuple[FloatArray, IntArray]:
        """The logit and the patient of each test beat, both of shape (test beats,)."""
        self.network.eval()
        batch_size = max(1, SCORING_BATCH_SIZE // self._beats.num_leads)
        batches = np.array_split(self._test, num_batches(len(self._test), batch_size))
        logit_B = torch.cat([self._votes(batch).mean(dim=1) for batch in batches])
        return logit_B.cpu().numpy(), self._beats.patient_B[self._test]

    def state(self) -> dict[str, Tensor]:
        return training_state(self.network, self._optimizer)

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        load_training_state(self.network, self._optimizer, tensors, name=name)
