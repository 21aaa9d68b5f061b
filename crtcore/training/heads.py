"""From one beat's features in L leads to one logit: standardise, fuse the leads, weigh.

Legend: B beats, C leads, D features.
"""

from typing import Final, Literal

from torch import Tensor, nn

LeadFusion = Literal["concatenate", "mean"]
NUM_FEATURES_AT_UNIT_SCALE: Final = 512
# Share of the mean variance: a feature all but silent in training must not shout in a test patient.
VARIANCE_FLOOR: Final = 0.01


class BeatHead(nn.Module):
    """Logistic regression on fused, standardised features: (B, C, D) -> logit (B,).

    The statistics are those of the pretrained network on the training fold, and stay. Raw features train
    badly: they are positive, of unequal scale, and their common mean outweighs what tells patients apart.
    Standardised features are scaled by 512 over their number: Adam moves every weight by about the learning
    rate a step, so a logit moves the faster the more features there are, and one range of learning rates
    would not suit one lead and twelve. All weights start at 0: no draw of them favours a fold.
    """

    def __init__(self, features_BCD: Tensor, weight_B: Tensor, lead_fusion: LeadFusion) -> None:
        super().__init__()
        self._lead_fusion = lead_fusion
        fused_BD = self._fuse(features_BCD)
        share_B1 = (weight_B / weight_B.sum()).unsqueeze(1)
        mean_D = (share_B1 * fused_BD).sum(dim=0)
        variance_D = (share_B1 * (fused_BD - mean_D) ** 2).sum(dim=0)
        sd_D = (variance_D + VARIANCE_FLOOR * variance_D.mean()).sqrt()
        self.mean_D: Tensor
        self.scale_D: Tensor
        self.register_buffer("mean_D", mean_D)
        self.register_buffer("scale_D", NUM_FEATURES_AT_UNIT_SCALE / (len(mean_D) * sd_D))
        self.linear = nn.Linear(len(mean_D), 1, device=mean_D.device)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def _fuse(self, features_BCD: Tensor) -> Tensor:
        return features_BCD.flatten(1) if self._lead_fusion == "concatenate" else features_BCD.mean(dim=1)

    def forward(self, features_BCD: Tensor) -> Tensor:
        logit_B1: Tensor = self.linear((self._fuse(features_BCD) - self.mean_D) * self.scale_D)
        return logit_B1.squeeze(1)


class BeatNetwork(nn.Module):
    """A body that turns each lead's input into features, and a head: inputs (B x C, ...) -> logit (B,)."""

    def __init__(self, body: nn.Module, head: BeatHead, num_leads: int) -> None:
        super().__init__()
        self.body = body
        self.head = head
        self._num_leads = num_leads

    def forward(self, inputs: Tensor) -> Tensor:
        features_ND: Tensor = self.body(inputs)
        logit_B: Tensor = self.head(features_ND.reshape(-1, self._num_leads, features_ND.shape[1]))
        return logit_B
