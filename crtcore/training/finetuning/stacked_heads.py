"""Linear heads on stored features: the heads of all folds and repeats, trained together by batched products.

One head is a small matrix product, and a loop over folds, repeats and batches would be mostly overhead.
Legend: R runs (one per fold of each repeat), B beats, M beats of a batch, V votes of a beat, D features.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from crtcore.config import FinetuneConfig
from crtcore.data.splits import Fold, check_disjoint
from crtcore.model.checkpoint import load_training_state, training_state
from crtcore.signal.recording import FloatArray, IntArray
from crtcore.training.engine.epochs import num_batches, set_learning_rate
from crtcore.training.finetuning.heads import BeatHead, BeatNetwork, fuse, standardisation
from crtcore.training.finetuning.patients import PatientBeats, beat_weights


class StackedHeads(nn.Module):
    """One `BeatHead` per fold, trained as `FoldTraining` trains it, up to rounding.

    There is one difference: all folds have the same number of batches per epoch, that of the largest fold, so
    that they share one schedule. Raises DataError if a patient is on both sides of a fold.
    """

    def __init__(self, beats: PatientBeats, folds: Sequence[Fold], config: FinetuneConfig) -> None:
        super().__init__()
        self.folds = tuple(folds)
        self._beats = beats
        self._config = config
        device = beats.device
        vote_BVD = fuse(torch.cat([beats.inputs.to(device), beats.scalar_BCE], dim=2), config.lead_fusion)
        # A constant shift, which the folds' own means cancel: sums of centred features are more exact.
        centre_D = vote_BVD.mean(dim=(0, 1))
        self._centre_D = centre_D
        self._vote_BVD = vote_BVD - centre_D
        self._label_B = torch.from_numpy(beats.label_P[beats.patient_B].astype(np.float32)).to(device)
        self._train = [beats.beats_of(fold.train_P) for fold in self.folds]
        self._weight_RB = torch.zeros(len(self.folds), len(beats.patient_B), device=device)
        statistics = []
        for number, (fold, train) in enumerate(zip(self.folds, self._train, strict=True)):
            check_disjoint(beats.id_P[fold.train_P].tolist(), beats.id_P[fold.test_P].tolist())
            balanced = config.class_weights == "balanced"
            weight_B = torch.from_numpy(
                beat_weights(beats.patient_B[train], beats.label_P, balanced=balanced)
            )
            train_B = torch.from_numpy(train).to(device)
            self._weight_RB[number, train_B] = weight_B.to(device)
            statistics.append(standardisation(self._vote_BVD[train_B], weight_B.to(device)))
        self._mean_RD = torch.stack([mean_D for mean_D, _ in statistics])
        self._scale_RD = torch.stack([scale_D for _, scale_D in statistics])
        self.weight_RD = nn.Parameter(torch.zeros_like(self._mean_RD))
        self.bias_R = nn.Parameter(torch.zeros(len(self.folds), device=device))
        self._optimizer = torch.optim.AdamW(self.parameters(), weight_decay=config.weight_decay, fused=True)

    @property
    def num_train_images(self) -> int:
        return sum(map(len, self._train)) * self._beats.num_leads

    def run_epoch(self, epoch: int, seeds: Sequence[int]) -> list[float]:
        """Train each fold once on its training beats, in the random order of its seed.

        Returns the mean losses.
        """
        config = self._config
        batches = self._batches(seeds)
        loss_sum_R = torch.zeros_like(self.bias_R)
        for step, (beat_RM, real_RM) in enumerate(batches, (epoch - 1) * len(batches)):
            set_learning_rate(self._optimizer, step, config.epochs * len(batches), config.learning_rate)
            loss_R = self._step(beat_RM, real_RM)
            self._optimizer.step()
            loss_sum_R += loss_R * real_RM.sum(dim=1)
        return [
            float(loss_sum) / len(train)
            for loss_sum, train in zip(loss_sum_R.tolist(), self._train, strict=True)
        ]

    def _batches(self, seeds: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """The beats of each step, shape (runs, M), and a mask: 1 for a real beat, 0 for padding."""
        batch_size = max(1, self._config.batch_size // self._beats.num_leads)
        num_steps = num_batches(max(map(len, self._train)), batch_size)
        parts_R = [
            np.array_split(train[np.random.default_rng(seed).permutation(len(train))], num_steps)
            for train, seed in zip(self._train, seeds, strict=True)
        ]
        device = self.bias_R.device
        return [
            tuple(torch.from_numpy(array).to(device) for array in _filled(parts))  # type: ignore[misc]
            for parts in zip(*parts_R, strict=True)
        ]

    @torch.no_grad()
    def _step(self, beat_RM: Tensor, real_RM: Tensor) -> Tensor:
        """Set the gradients of the folds' mean losses. Returns these losses, shape (runs,).

        The gradient has a closed form: with z = scale (x - mean), it is the weighted sum of (p - y) z.
        """
        vote_RND = self._vote_BVD[beat_RM].flatten(1, 2)
        num_votes = self._vote_BVD.shape[1]
        weight_RM = (
            self._weight_RB.gather(1, beat_RM) * real_RM / real_RM.sum(dim=1, keepdim=True).clamp(min=1)
        )
        weight_RN = (weight_RM / num_votes).repeat_interleave(num_votes, dim=1)
        label_RN = self._label_B[beat_RM].repeat_interleave(num_votes, dim=1)
        scaled_RD = self._scale_RD * self.weight_RD
        offset_R = self.bias_R - (scaled_RD * self._mean_RD).sum(dim=1)
        logit_RN = torch.baddbmm(offset_R[:, None, None], vote_RND, scaled_RD[:, :, None]).squeeze(2)
        residual_RN = weight_RN * (torch.sigmoid(logit_RN) - label_RN)
        sum_R = residual_RN.sum(dim=1)
        product_RD = torch.bmm(residual_RN[:, None, :], vote_RND).squeeze(1)
        self.weight_RD.grad = self._scale_RD * (product_RD - sum_R[:, None] * self._mean_RD)
        self.bias_R.grad = sum_R
        loss_RN = binary_cross_entropy_with_logits(logit_RN, label_RN, weight_RN, reduction="none")
        return loss_RN.sum(dim=1)

    @torch.no_grad()
    def test_logits(self) -> list[tuple[FloatArray, IntArray]]:
        """For each fold, the logit and the patient of each test beat."""
        scaled_RD = self._scale_RD * self.weight_RD
        offset_R = self.bias_R - (scaled_RD * self._mean_RD).sum(dim=1)
        logit_BR = (self._vote_BVD.mean(dim=1) @ scaled_RD.T + offset_R).cpu().numpy()
        tests = [self._beats.beats_of(fold.test_P) for fold in self.folds]
        return [(logit_BR[test, number], self._beats.patient_B[test]) for number, test in enumerate(tests)]

    @torch.no_grad()
    def networks(self) -> tuple[BeatNetwork, ...]:
        """Each fold's head as a network without a body."""
        num_leads = self._beats.num_leads
        found = []
        for run in range(len(self.folds)):
            num_features = self._beats.inputs.shape[-1] + self._beats.scalar_BCE.shape[-1]
            head = BeatHead(
                torch.zeros(1, num_leads, num_features), torch.ones(1), self._config.lead_fusion
            ).to(self.bias_R.device)
            head.mean_D.copy_(self._mean_RD[run] + self._centre_D)
            head.scale_D.copy_(self._scale_RD[run])
            head.linear.weight.copy_(self.weight_RD[run][None])
            head.linear.bias.copy_(self.bias_R[run][None])
            found.append(BeatNetwork(nn.Sequential(), head))
        return tuple(found)

    def state(self) -> dict[str, Tensor]:
        return training_state(self, self._optimizer)

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        load_training_state(self, self._optimizer, tensors, name=name)


def _filled(parts: Sequence[IntArray]) -> tuple[IntArray, FloatArray]:
    """Rows padded to one length, and a mask: 1 for a real beat, 0 for padding."""
    length = max(map(len, parts))
    beat_RM = np.zeros((len(parts), length), dtype=np.int64)
    real_RM = np.zeros((len(parts), length), dtype=np.float32)
    for row, part in enumerate(parts):
        beat_RM[row, : len(part)] = part
        real_RM[row, : len(part)] = 1
    return beat_RM, real_RM
