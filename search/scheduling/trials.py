"""A trial before and while it runs: what is proposed, and what is known of its run.

In the study a trial is Optuna's FrozenTrial (`study/ledger.py`); listeners get a TrialUpdate
(`study/update.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from optuna.trial import FrozenTrial

from crtcore.config import Experiment
from crtcore.pipeline import Plan
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport
from search.study.attributes import GPU_SECONDS, IMAGES, NODE, REUSED, SAVED_SECONDS, SECONDS, Digests
from search.study.update import State, TrialUpdate, update_of


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A trial to run: its number in the study, the parameters it sets, and the stages it consists of.

    `work` is how much it computes, relative to other proposals; `is_begun` says that an earlier run of the
    sweep started it.
    """

    number: int
    params: Mapping[str, Any]
    experiment: Experiment
    plan: Plan
    work: float
    is_begun: bool = False

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in build order. Trials with the same parameters share even the last one."""
        return (*self.plan.shared, self.plan.finetune)

    @property
    def own(self) -> tuple[Stage, ...]:
        """The stages that a trial builds, unless another trial has built them."""
        return tuple(stage for stage in _own(self.plan).values() if stage is not None)

    @property
    def digests(self) -> Digests:
        """Its own stages, in the form that the study stores."""
        return digests_of(self.plan)


def digests_of(plan: Plan) -> Digests:
    """The stages that a trial builds, in the form that the study stores."""
    return {name: None if stage is None else stage.digest for name, stage in _own(plan).items()}


def _own(plan: Plan) -> dict[str, Stage | None]:
    pretrain = plan.pretrain if plan.reads_network else None
    return {"pretrain": pretrain, "features": plan.features, "finetune": plan.finetune}


@dataclass(kw_only=True)
class Run:
    """A proposal that was started, and what this run of the sweep knows of it.

    `trial` is the ledger's record of it, which changes with every write to the study.
    """

    proposal: Proposal
    trial: FrozenTrial
    reports: dict[tuple[str, int], EpochReport] = field(default_factory=dict)  # by stage and epoch
    last: EpochReport | None = None
    node: str = ""
    trouble: str = ""  # why it last lost its process

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in build order."""
        return self.proposal.stages

    @property
    def curve(self) -> Mapping[int, float]:
        """Epoch -> AUC, all that is in the study so far."""
        return self.trial.intermediate_values

    @property
    def reused(self) -> list[str]:
        """Names of the stages that it found built. Their cost is not its own."""
        return REUSED.of(self.trial) or []

    @property
    def ranks(self) -> dict[str, str]:
        """The order of the patients after each epoch of the stage finetune."""
        reports = self.reports.items()
        return {
            str(epoch): each.ranks for (stage, epoch), each in reports if stage == "finetune" and each.ranks
        }

    @property
    def computed_s(self) -> float:
        """Seconds that its reported epochs took. An epoch that is reported twice counts once."""
        return sum(report.seconds for report in self.reports.values() if report.stage not in self.reused)

    def update(self, state: State, *, message: str = "") -> TrialUpdate:
        """How the trial stands, for listeners."""
        return update_of(self.trial, state, last=self.last, seconds=self.computed_s, message=message)

    def account(self, store: StageStore, *, gpus: float) -> dict[str, Any]:
        """What the trial cost and what reuse saved, as attributes for the study.

        Seconds and images are those of the stages it built, including those it built in an earlier run of the
        sweep. Saved seconds are what the reused stages had cost.
        """
        seconds, saved_s = self.computed_s, 0.0
        reported = {stage for stage, _ in self.reports}
        images = sum(report.num_images for report in self.reports.values() if report.stage not in self.reused)
        for stage in self.proposal.own:
            if stage.name in reported and stage.name not in self.reused:
                continue  # counted above
            manifest = store.find(stage)
            if manifest is None:
                continue  # the trial ended before this stage was built
            cost_s = float(manifest.facts.get("seconds", 0.0))
            if stage.name in self.reused:
                saved_s += cost_s
            else:  # built by a process that died before it could report
                seconds += cost_s
                images += int(manifest.facts.get("num_images", 0)) * int(stage.config.get("epochs", 1))
        return {
            **NODE.item(self.node),
            **SECONDS.item(round(seconds, 3)),
            **IMAGES.item(images),
            **SAVED_SECONDS.item(round(saved_s, 3)),
            **(GPU_SECONDS.item(round(seconds * gpus, 3)) if gpus else {}),
        }
