"""What `crtsearch check` finds out: are config and data usable, what would run, what is built already."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from crtcore.config import Experiment
from crtcore.data.sources import Sources, predefined_folds
from crtcore.data.splits import cohort_folds
from crtcore.pipeline import OnProgress, open_store, read_sources
from crtcore.searchconfig import FloatRange
from search.scheduling.placement import require_place, this_machine
from search.scheduling.sampling.space import distributions, require_networks
from search.study.folder import sweep_exists
from search.study.study import open_study
from search.sweep.cost import Estimate, estimate, expected_beats
from search.sweep.data_check import read_cohort, read_database
from search.sweep.stage_counts import StageCount, stage_counts


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What there is to know about a usable experiment before it runs.

    `num_beats` counts the annotated beats of each AAMI class, `num_responders` the patients with label 1.
    `flags` are the quality flags of each flagged recording, `findings` what is wrong with the recordings
    together: copies, implausible amplitudes. `num_trials_done` trials were finished by an
    earlier run of the same sweep. `num_combinations` is None if the search space has a continuous range.
    `estimate` is None if a trial needs a GPU and this machine has none to time it on.
    """

    name: str
    storage: str
    num_records: int
    num_beats: Mapping[str, int]
    num_patients: int
    num_responders: int
    num_recordings: int
    leads: tuple[str, ...]
    flags: Mapping[str, tuple[str, ...]]
    findings: tuple[str, ...]
    num_trials: int
    num_trials_done: int
    num_combinations: int | None
    stages: tuple[StageCount, ...]
    estimate: Estimate | None

    def sentences(self) -> tuple[str, ...]:
        """The result in words, one sentence per finding."""
        beats = ", ".join(f"{name} {count:,}" for name, count in self.num_beats.items())
        left = max(0, self.num_trials - self.num_trials_done)
        space = (
            "a continuous search space"
            if self.num_combinations is None
            else f"a search space of {self.num_combinations:,} combinations"
        )
        stages = "; ".join(f"{stage.name} {stage.num_built} of {stage.num_stages}" for stage in self.stages)
        database = f"{self.num_records} records, {sum(self.num_beats.values()):,} annotated beats ({beats})"
        cohort = f"{self.num_patients} patients, {self.num_responders} with label 1"
        flagged = "; ".join(f"{record} ({', '.join(flags)})" for record, flags in self.flags.items())
        return (
            f"Database: {database}.",
            f"Cohort: {cohort}; {self.num_recordings} recordings of {len(self.leads)} leads.",
            f"Flagged recordings: {flagged or 'none'}.",
            *(f"Found in the recordings: {finding}" for finding in self.findings),
            f"Sweep {self.name}: {left} of {self.num_trials} trials left to run, over {space}.",
            f"Stages built in {self.storage}: {stages}.",
            (
                "Time and disk space: not estimated, because a trial needs a GPU and this machine has none."
                if self.estimate is None
                else self.estimate.sentence()
            ),
        )

    def to_json(self) -> str:
        """All fields as one JSON object."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)


def check(
    experiment: Experiment,
    *,
    nodes: Sequence[Mapping[str, float]] | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> CheckResult:
    """Validate the search space, read every recording once, assign the patients to folds, count the stages,
    and time a few images in each network. Builds nothing.

    `nodes` are the CPUs and GPUs of each node of a Ray cluster, empty if they are not known. By default the
    sweep is checked for this machine. Raises ConfigError, DataError or SweepError for the first problem that
    would stop the sweep.
    """
    require_networks(experiment)
    distributions(experiment.search)
    known_nodes = (this_machine(),) if nodes is None else nodes
    if known_nodes:
        require_place(experiment.resources.trial, known_nodes)
    sources = read_sources(experiment)
    num_beats = read_database(sources, on_progress)
    cohort = read_cohort(sources, on_progress)
    _require_folds(experiment, sources)
    store = open_store(experiment)
    num_trials_done = _num_trials_done(experiment)
    return CheckResult(
        name=experiment.name,
        storage=experiment.storage,
        num_records=len(sources.arrhythmia),
        num_beats=num_beats,
        num_patients=len(sources.patients),
        num_responders=sum(patient.label for patient in sources.patients),
        num_recordings=len(sources.cohort),
        leads=sources.cohort_leads,
        flags=cohort.flags,
        findings=cohort.findings,
        num_trials=experiment.search.trials,
        num_trials_done=num_trials_done,
        num_combinations=_num_combinations(experiment),
        stages=stage_counts(store, experiment, sources),
        estimate=estimate(
            store,
            experiment,
            sources,
            num_trials=max(0, experiment.search.trials - num_trials_done),
            num_database_beats=sum(num_beats.values()),
            num_cohort_beats=expected_beats(experiment.cohort, cohort.durations_s),
        ),
    )


def _require_folds(experiment: Experiment, sources: Sources) -> None:
    """Raises DataError if the patients cannot be assigned to folds."""
    cohort_folds(
        np.array([patient.patient_id for patient in sources.patients]),
        np.array([patient.label for patient in sources.patients]),
        given=predefined_folds(sources),
        num_folds=experiment.finetune.folds,
        num_repeats=experiment.finetune.repeats,
        seed=experiment.seed,
    )


def _num_combinations(experiment: Experiment) -> int | None:
    options = experiment.search.space.values()
    if any(isinstance(option, FloatRange) for option in options):
        return None
    return math.prod(len(option) for option in options if not isinstance(option, FloatRange))


def _num_trials_done(experiment: Experiment) -> int:
    if not sweep_exists(experiment.storage, experiment.name):
        return 0
    study = open_study(experiment.storage, experiment.name, create=False)
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
