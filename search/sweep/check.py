"""What a sweep would do, without doing it: are config and data usable, what would run, what is built."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from crtcore.config import Experiment, FloatRange
from crtcore.data.sources import Sources, predefined_folds
from crtcore.data.splits import cohort_folds
from crtcore.pipeline import OnProgress, open_store, plan, read_sources
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import use_device
from search.scheduling.placement import require_place, this_machine
from search.scheduling.sampling.space import distributions
from search.study.folder import sweep_exists
from search.study.study import open_study
from search.sweep.cost import Estimate, estimate
from search.sweep.data_check import read_cohort, read_database
from search.sweep.stage_counts import StageCount, stage_counts, variants_of

TYPICAL_RR_S = 0.8  # 75 beats a minute


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A usable experiment.

    `num_beats` counts annotated beats by AAMI class; `num_responders` are the patients with label 1;
    `num_combinations` is None where a range is searched; `num_trials_done` are those that an earlier run of
    the same sweep finished.
    """

    name: str
    storage: str
    num_records: int
    num_beats: Mapping[str, int]
    num_patients: int
    num_responders: int
    num_recordings: int
    leads: tuple[str, ...]
    flags: Mapping[str, tuple[str, ...]]  # recordings of poor quality, by name
    num_trials: int
    num_trials_done: int
    num_combinations: int | None
    stages: tuple[StageCount, ...]
    estimate: Estimate | None  # None where a trial needs a GPU and this machine has none to time it on

    def sentences(self) -> tuple[str, ...]:
        """The result in words, one finding a sentence."""
        beats = ", ".join(f"{name} {count:,}" for name, count in self.num_beats.items())
        left = max(0, self.num_trials - self.num_trials_done)
        space = (
            "a continuous space"
            if self.num_combinations is None
            else f"a space of {self.num_combinations:,} combinations"
        )
        stages = "; ".join(f"{stage.name} {stage.num_built} of {stage.num_stages}" for stage in self.stages)
        database = f"{self.num_records} records, {sum(self.num_beats.values()):,} annotated beats ({beats})"
        cohort = f"{self.num_patients} patients, {self.num_responders} with label 1"
        flagged = "; ".join(f"{record} ({', '.join(flags)})" for record, flags in self.flags.items())
        return (
            f"Database: {database}.",
            f"Cohort: {cohort}; {self.num_recordings} recordings of {len(self.leads)} leads.",
            f"Flagged recordings: {flagged or 'none'}.",
            f"Sweep {self.name}: {left} of {self.num_trials} trials to run, over {space}.",
            f"Stages built in {self.storage}: {stages}.",
            (
                "To compute: not estimated, for a trial holds a GPU and this machine has none to time it on."
                if self.estimate is None
                else self.estimate.sentence()
            ),
        )

    def to_json(self) -> str:
        """Everything, as one JSON object."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)


def check(
    experiment: Experiment,
    *,
    nodes: Sequence[Mapping[str, float]] | None = None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> CheckResult:
    """Validate the search space, read every recording once, deal the folds, count stages, and time a few
    images in each network; builds nothing.

    `nodes` are what the nodes of the cluster that the sweep is for have of CPU and GPU, empty if that is not
    known; by default it is for this machine. Raises ConfigError, DataError or SweepError, naming the place,
    for the first thing that would stop a sweep.
    """
    distributions(experiment.search)
    known_nodes = (this_machine(),) if nodes is None else nodes
    if known_nodes:
        require_place(experiment.resources.trial, known_nodes)
    sources = read_sources(experiment)
    num_beats = read_database(sources, on_progress)
    flags, durations_s = read_cohort(sources, on_progress)
    _deal_folds(experiment, sources)
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
        flags=flags,
        num_trials=experiment.search.trials,
        num_trials_done=num_trials_done,
        num_combinations=_num_combinations(experiment),
        stages=stage_counts(store, experiment, sources),
        estimate=_estimate(
            store,
            experiment,
            sources,
            num_trials=max(0, experiment.search.trials - num_trials_done),
            num_beats=sum(num_beats.values()),
            num_cohort_beats=_guessed_beats(experiment, durations_s),
        ),
    )


def _deal_folds(experiment: Experiment, sources: Sources) -> None:
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


def _estimate(
    store: StageStore,
    experiment: Experiment,
    sources: Sources,
    *,
    num_trials: int,
    num_beats: int,
    num_cohort_beats: int,
) -> Estimate | None:
    gpus = experiment.resources.trial.gpus
    if gpus and not torch.cuda.is_available():
        return None
    pretrain: dict[str, Experiment] = {}
    features: dict[str, Experiment] = {}
    variants = list(variants_of(experiment))
    for variant in variants:
        stages = plan(variant, sources)
        if store.find(stages.pretrain) is None:
            pretrain[stages.pretrain.digest] = variant
        if stages.features is not None and store.find(stages.features) is None:
            features[stages.features.digest] = variant
    base = plan(experiment, sources)
    prepared = [store.find(base.arrhythmia), store.find(base.cohort)]
    guessed = (num_beats, num_cohort_beats * len(sources.cohort_leads))
    num_arrhythmia_images, num_cohort_images = (
        guess if manifest is None else int(manifest.facts["num_images"])
        for manifest, guess in zip(prepared, guessed, strict=True)
    )
    return estimate(
        pretrain=list(pretrain.values()),
        features=list(features.values()),
        finetune=variants,
        num_trials=num_trials,
        num_arrhythmia_images=num_arrhythmia_images,
        num_cohort_images=num_cohort_images,
        device=use_device(experiment.resources.trial),
    )


def _guessed_beats(experiment: Experiment, durations_s: list[float]) -> int:
    """Beats of the cohort before any is detected."""
    most = experiment.cohort.max_beats_per_recording
    beats = (round(duration_s / TYPICAL_RR_S) for duration_s in durations_s)
    return sum(count if most is None else min(most, count) for count in beats)
