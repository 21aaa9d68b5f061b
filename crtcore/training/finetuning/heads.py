"""The linear head: from the features of a beat in all leads to its logit.

Legend: B beats, C leads, V votes of a beat (one, or one per lead), D features, E scalars added to them.
"""

from typing import Final, Literal

import torch
from torch import Tensor, nn

from crtcore.training.engine.device import Precision, autocast

LeadFusion = Literal["concatenate", "mean", "mean_prediction"]
NUM_FEATURES_AT_UNIT_SCALE: Final = 512
# Share of the mean variance, added to each: near-constant features would otherwise explode on test patients.
VARIANCE_FLOOR: Final = 0.01


def fuse(features_BCD: Tensor, lead_fusion: LeadFusion) -> Tensor:
    """The inputs of the head, shape (beats, votes, features).

    `concatenate` and `mean` combine the leads' features into one vote. With `mean_prediction`, each lead is a
    separate vote and a separate training example of the same head.
    """
    if lead_fusion == "concatenate":
        return features_BCD.flatten(1).unsqueeze(1)
    return features_BCD.mean(dim=1, keepdim=True) if lead_fusion == "mean" else features_BCD


def standardisation(vote_BVD: Tensor, weight_B: Tensor) -> tuple[Tensor, Tensor]:
    """The mean to subtract from each feature and the scale to multiply it by, both of shape (features,).

    Raw features train badly: they are positive, their scales differ, and their mean is large compared with
    the differences between patients. Standardised features are also scaled by 512 / (number of features).
    Adam moves each weight by about the learning rate per step, so a logit moves faster with more features.
    With this scale, one range of learning rates fits one lead and twelve.
    """
    share_B11 = (weight_B / (weight_B.sum() * vote_BVD.shape[1])).reshape(-1, 1, 1)
    mean_D = (share_B11 * vote_BVD).sum(dim=(0, 1))
    variance_D = (share_B11 * (vote_BVD - mean_D) ** 2).sum(dim=(0, 1))
    sd_D = (variance_D + VARIANCE_FLOOR * variance_D.mean()).sqrt()
    return mean_D, NUM_FEATURES_AT_UNIT_SCALE / (len(mean_D) * sd_D)


class BeatHead(nn.Module):
    """Logistic regression on fused, standardised features: (B, C, D) -> logit (B,), the mean over votes.

    The means and scales come from the pretrained network on the training fold and are fixed. All weights
    start at 0, so no random start favours a fold.
    """

    def __init__(self, features_BCD: Tensor, weight_B: Tensor, lead_fusion: LeadFusion) -> None:
        super().__init__()
        self._lead_fusion = lead_fusion
        mean_D, scale_D = standardisation(fuse(features_BCD, lead_fusion), weight_B)
        self.mean_D: Tensor
        self.scale_D: Tensor
        self.register_buffer("mean_D", mean_D)
        self.register_buffer("scale_D", scale_D)
        self.linear = nn.Linear(len(mean_D), 1, device=mean_D.device)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def votes(self, features_BCD: Tensor) -> Tensor:
        """The logit of each vote, shape (beats, votes). The loss is computed on these."""
        vote_BVD = fuse(features_BCD, self._lead_fusion)
        logit_BV1: Tensor = self.linear((vote_BVD - self.mean_D) * self.scale_D)
        return logit_BV1.squeeze(2)

    def forward(self, features_BCD: Tensor) -> Tensor:
        return self.votes(features_BCD).mean(dim=1)


class BeatNetwork(nn.Module):
    """A body and a head: inputs (B x C, ...) and scalars (B, C, E) -> logit of each vote (B, V).

    The body computes the features of each lead in `precision`. The head always computes in float32.
    """

    def __init__(self, body: nn.Module, head: BeatHead, precision: Precision = "float32") -> None:
        super().__init__()
        self.body = body
        self.head = head
        self._precision = precision

    def forward(self, inputs: Tensor, scalar_BCE: Tensor) -> Tensor:
        with autocast(inputs.device, self._precision):
            features_ND: Tensor = self.body(inputs)
        features_BCD = features_ND.float().reshape(*scalar_BCE.shape[:2], -1)
        return self.head.votes(torch.cat([features_BCD, scalar_BCE], dim=2))
