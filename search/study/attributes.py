"""Every name that crtsearch keeps in an Optuna study beside Optuna's own, with typed readers and writers.

No other file in search/ spells these names. A name never changes, so that older studies stay readable.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypedDict, TypeVar

if TYPE_CHECKING:  # Optuna takes a while to import, and reading attributes does not need it
    from optuna import Study
    from optuna.trial import FrozenTrial

Value = TypeVar("Value")
Digests = Mapping[str, str | None]  # stage name -> digest; None for a stage that the trial does not have
EndedBy = Literal["trials", "grid", "wall_clock", "gpu_hours", "halted", "interrupted"]


class StudyAttribute(Generic[Value]):
    """A user attribute of a study, with the value to read where it was never written."""

    def __init__(self, name: str, default: Value) -> None:
        self.name = name
        self._default = default

    def of(self, study: "Study") -> Value:
        """The stored value."""
        value: Value = study.user_attrs.get(self.name, self._default)
        return value

    def write(self, study: "Study", value: Value) -> None:
        """Store a value. It must be JSON."""
        study.set_user_attr(self.name, value)


class TrialAttribute(Generic[Value]):
    """A user attribute of a trial, with the value to read where it was never written."""

    def __init__(self, name: str, default: Value) -> None:
        self.name = name
        self._default = default

    def of(self, trial: "FrozenTrial") -> Value:
        """The stored value."""
        value: Value = trial.user_attrs.get(self.name, self._default)
        return value

    def item(self, value: Value) -> dict[str, Any]:
        """The attribute as one entry of a trial's `user_attrs`; the value must be JSON."""
        return {self.name: value}


class WarmStart(TypedDict):
    """The sweep that gave the first points, and those points as they were then."""

    sweep: str
    points: list[dict[str, Any]]


# Of a study. DIGESTS holds the stages of the base experiment: arrhythmia, cohort and finetune.
DIGESTS: Final = StudyAttribute[Mapping[str, str]]("digests", {})
WARM_START: Final = StudyAttribute[WarmStart | None]("warm_start", None)
ELAPSED_S: Final = StudyAttribute[float]("elapsed_s", 0.0)  # of all runs of the sweep so far
ENDED_BY: Final = StudyAttribute[EndedBy | None]("ended_by", None)  # None until a run of the sweep has ended
# Trials whose last stage was lost or damaged and was built again, with the metric that it then had.
REBUILT: Final = StudyAttribute[Mapping[str, float]]("rebuilt", {})
# The id of the list of stages that the sweep leaves in an object store; "" if it never did.
REFERENCES_ID: Final = StudyAttribute[str]("references_id", "")
# What `crtcore.data.cohort_review` found, in sentences; None in studies made before it existed.
DATA_FINDINGS: Final = StudyAttribute[list[str] | None]("data_findings", None)
RAY_DASHBOARD: Final = StudyAttribute[str]("ray_dashboard", "")  # its address while the sweep runs

# Of a trial, from its proposal on.
PROPOSAL: Final = TrialAttribute[int | None]("proposal", None)  # the number of the proposal
STAGES: Final = TrialAttribute[Digests]("stages", {})
# From its first start on: names of the stages that it found built. None before that.
REUSED: Final = TrialAttribute[list[str] | None]("read", None)
# From its end on. Seconds and images are those of the stages that it built itself.
NODE: Final = TrialAttribute[str]("node", "")
SECONDS: Final = TrialAttribute[float | None]("seconds", None)
IMAGES: Final = TrialAttribute[int]("images", 0)
SAVED_SECONDS: Final = TrialAttribute[float]("saved_seconds", 0.0)  # what the reused stages had cost
GPU_SECONDS: Final = TrialAttribute[float]("gpu_seconds", 0.0)
REASON: Final = TrialAttribute[str | None]("reason", None)  # why it failed

# System attributes, because they are no use in a table of trials.
GENERATION: Final = "cma:generation"  # a system attribute of a trial that CMA-ES proposed
# Pairs of an epoch and the place of its report among all reports of the sweep. A trial that was resumed
# reports its newest epoch again, and is judged again.
REPORTS: Final = "crtsearch:reports"
# Of a trial that ended before its last epoch: the order of the patients by epoch, as `epoch_ranks.py` writes.
RANKS: Final = "crtsearch:ranks"
_ARTIFACT: Final = "artifacts:"  # Optuna's prefix for the system attributes that name a trial's artifacts


def generation_of(trial: "FrozenTrial") -> int | None:
    """The generation of CMA-ES that a trial belongs to; None if another sampler proposed it."""
    generation: int | None = trial.system_attrs.get(GENERATION)
    return generation


def write_generation(study: "Study", trial: "FrozenTrial", generation: int) -> None:
    """Store the generation of CMA-ES that a trial belongs to."""
    study._storage.set_trial_system_attr(trial._trial_id, GENERATION, generation)


def reports_of(trial: "FrozenTrial") -> tuple[tuple[int, int], ...]:
    """Each report of a trial: the epoch, and the place among all reports of the sweep. Empty in trials of
    versions that did not keep it.
    """
    return tuple((epoch, place) for epoch, place in trial.system_attrs.get(REPORTS, ()))


def ranks_of(trial: "FrozenTrial") -> dict[int, str]:
    """The order of the patients after each epoch of a trial that ended early, as text, if it was kept."""
    return {int(epoch): text for epoch, text in trial.system_attrs.get(RANKS, {}).items()}


def artifact_item(artifact_id: str, meta: str) -> dict[str, str]:
    """An artifact as one entry of a trial's `system_attrs`; `meta` is Optuna's description of it, as JSON."""
    return {f"{_ARTIFACT}{artifact_id}": meta}


def write_artifacts(study: "Study", number: int, items: Mapping[str, str]) -> None:
    """Name artifacts of unfinished trial `number`, as entries of `artifact_item`. Optuna refuses to change a
    finished trial.
    """
    storage = study._storage
    trial_id = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    for name, meta in items.items():
        storage.set_trial_system_attr(trial_id, name, meta)
