"""The section `search` of the config: what is searched, by which sampler, for how long."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crtcore.settings import PositiveFloat, PositiveInt, Seconds, Settings


class SchedulerConfig(Settings):
    """Early stopping of poor trials, judged after each epoch of the stage `finetune`.

    `asha` is asynchronous successive halving (Li et al., MLSys 2020): a trial stops unless it is among the
    best 1 / reduction_factor at each rung. `hyperband` (Li et al., JMLR 2018) spreads the trials over
    brackets of `asha` that differ in how early they begin to stop. `median` (Golovin et al., KDD 2017) stops
    a trial that is worse than the median of the complete trials was at the same epoch.
    """

    name: Literal["asha", "hyperband", "median", "none"] = "asha"
    grace_epochs: PositiveInt = Field(default=2, description="epochs before any trial can stop")
    reduction_factor: int = Field(default=3, ge=2, description="for asha and hyperband")
    startup_trials: PositiveInt = Field(default=5, description="for median: complete trials before any stop")


class FloatRange(Settings):
    """A continuous range to search, on a log scale if `log`."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "FloatRange":
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError("a log range must start above 0")
        return self


Choices = Annotated[tuple[bool | int | float | str, ...], Field(min_length=1)]
Objective = Literal["auc", "trainable_parameters"]  # see search/scheduling/sampling/objectives.py
Bounded = Literal["trainable_parameters"]


class SearchConfig(Settings):
    """What is searched and how: `space` maps a dotted config key to a list of choices or to a range."""

    trials: PositiveInt = 20
    wall_clock: Seconds | None = Field(
        default=None,
        description="budget: total run time of the sweep, in seconds or as 90m, 2h or 1d; after it, no stage "
        "is started",
    )
    gpu_hours: PositiveFloat | None = Field(default=None, description="budget: total GPU hours of the trials")
    sampler: Literal["tpe", "gp", "cmaes", "random", "grid"] = "tpe"
    scheduler: SchedulerConfig = SchedulerConfig()
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)] = ("auc",)
    constraints: dict[Bounded, PositiveFloat] = Field(
        default_factory=dict, description="upper bounds; a trial that exceeds one is never proposed"
    )
    study: str = Field(
        default="sqlite",
        description="where Optuna keeps the study: sqlite or journal (a file in the sweep's folder), or the "
        "URL of a database without its password, which belongs in PGPASSWORD or ~/.pgpass",
    )
    space: dict[str, FloatRange | Choices] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> "SearchConfig":
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives lists a value twice: {', '.join(self.objectives)}")
        if len(self.objectives) > 1 and self.scheduler.name != "none":
            raise ValueError(
                "with several objectives no single value ranks the trials, so none can stop early: set "
                "search.scheduler.name to none"
            )
        if "auc" not in self.objectives:
            raise ValueError("objectives must include auc: without it, the smallest network would win")
        if len(self.objectives) > 1 and self.sampler == "cmaes":
            raise ValueError("sampler cmaes works with one objective only; choose tpe, gp, random or grid")
        if self.study not in ("sqlite", "journal") and "://" not in self.study:
            raise ValueError(f"study {self.study!r} is neither sqlite, journal nor a database URL")
        return self
