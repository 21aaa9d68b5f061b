"""A trial as the session knows it: proposed, then running."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna

from crtcore.config import Experiment
from crtcore.pipeline import Plan
from crtcore.stages import Stage
from crtcore.training.epochs import EpochReport


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One trial to run: its number in the study, what it sets, and the stages it consists of."""

    number: int
    params: Mapping[str, Any]
    experiment: Experiment
    plan: Plan

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in build order. The last is shared by trials that happen to have the same parameters."""
        return (*self.plan.shared, self.plan.finetune)

    @property
    def digests(self) -> dict[str, str | None]:
        """The stages of its own as the study keeps them."""
        features = self.plan.features
        return {
            "pretrain": self.plan.pretrain.digest,
            "features": None if features is None else features.digest,
            "finetune": self.plan.finetune.digest,
        }


@dataclass(kw_only=True)
class Run:
    """A proposal that was handed out, and what is known of it so far."""

    proposal: Proposal
    trial: optuna.Trial
    curve: dict[int, float]  # epoch -> value, as in the study
    seconds: dict[tuple[str, int], float] = field(default_factory=dict)  # (stage, epoch); replays count once
    last: EpochReport | None = None
    node: str = ""
    trouble: str = ""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in build order."""
        return self.proposal.stages

    @property
    def total_s(self) -> float:
        """Seconds that its epochs took."""
        return sum(self.seconds.values())
