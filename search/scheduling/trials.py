"""A trial as the session knows it: proposed, then running."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from crtcore.config import Experiment
from crtcore.pipeline import Plan
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.epochs import EpochReport
from search.study.attributes import GPU_SECONDS, IMAGES, NODE, SAVED_SECONDS, SECONDS
from search.study.update import State, TrialUpdate


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One trial to run: its number in the study, what it sets, and the stages it consists of."""

    number: int
    params: Mapping[str, Any]
    experiment: Experiment
    plan: Plan
    work: float  # relative to other proposals
    is_begun: bool = False  # by an earlier run of the sweep

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in build order. The last is shared by trials that happen to have the same parameters."""
        return (*self.plan.shared, self.plan.finetune)

    @property
    def own(self) -> tuple[Stage, ...]:
        """The stages that a trial builds, unless another one has."""
        plan = self.plan
        return tuple(stage for stage in (plan.pretrain, plan.features, plan.finetune) if stage is not None)

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
    """A proposal that was handed out, and what is known of it so far.

    `read` names the stages that it found built; what they cost is not its own.
    """

    proposal: Proposal
    read: tuple[str, ...]
    curve: Mapping[int, float]  # epoch -> value, as in the study
    reports: dict[tuple[str, int], EpochReport] = field(default_factory=dict)  # replays count once
    last: EpochReport | None = None
    node: str = ""
    trouble: str = ""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in build order."""
        return self.proposal.stages

    @property
    def computed_s(self) -> float:
        """Seconds that its epochs took, as far as reports tell."""
        return sum(report.seconds for report in self.reports.values() if report.stage not in self.read)

    def account(self, store: StageStore, *, gpus: float) -> dict[str, Any]:
        """What the trial cost and what it was spared, for the study.

        `seconds` and `images` are of the stages that it built, also of those that it built in an earlier run
        of the sweep; `saved_seconds` is what those it read had cost.
        """
        seconds, images, saved = self.computed_s, 0, 0.0
        reported = {stage for stage, _ in self.reports}
        images = sum(report.num_images for report in self.reports.values() if report.stage not in self.read)
        for stage in self.proposal.own:
            if stage.name in reported and stage.name not in self.read:
                continue
            manifest = store.find(stage)
            if manifest is None:
                continue  # it ended before it came to this one
            cost_s = float(manifest.facts.get("seconds", 0.0))
            if stage.name in self.read:
                saved += cost_s
            else:  # committed by a process that died before it could report
                seconds += cost_s
                images += int(manifest.facts.get("num_images", 0)) * int(stage.config.get("epochs", 1))
        return {
            **NODE.item(self.node),
            **SECONDS.item(round(seconds, 3)),
            **IMAGES.item(images),
            **SAVED_SECONDS.item(round(saved, 3)),
            **(GPU_SECONDS.item(round(seconds * gpus, 3)) if gpus else {}),
        }


def update_of_run(run: Run, state: State, *, message: str = "") -> TrialUpdate:
    """How a trial of this run of the sweep stands."""
    last = run.last
    return TrialUpdate(
        number=run.proposal.number,
        state=state,
        params=run.proposal.params,
        stage=None if last is None else last.stage,
        epoch=0 if last is None else last.epoch,
        num_epochs=0 if last is None else last.num_epochs,
        value=run.curve[max(run.curve)] if run.curve else None,
        metrics={} if last is None else last.metrics,
        seconds=run.computed_s,
        message=message,
    )
