"""Stages of complete trials that were lost or damaged, built again. The study keeps its trials and
results.
"""

import json
from collections.abc import Callable

import optuna
from optuna.trial import FrozenTrial, TrialState

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import Sources
from crtcore.errors import SweepError
from crtcore.pipeline import OnProgress, Plan
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import HISTORY_FILE, decode_history
from search.scheduling.sampling.objectives import METRIC
from search.study.attributes import REBUILT, STAGES


def rebuild_lost(
    study: optuna.Study,
    experiment: Experiment,
    sources: Sources,
    *,
    store: StageStore,
    plan_of: Callable[[Experiment], Plan],
    address: str | None,
    on_progress: OnProgress,
) -> None:
    """Build the last stage of each complete trial again, if it is gone or damaged, and note it in the study.

    SweepError if this version or these data would give another stage.
    """
    lost = {trial.number: trial for trial in _complete(study) if not store.is_intact(_finetune(trial))}
    if not lost:
        return
    experiments: dict[str, Experiment] = {}  # by digest: several trials may share one stage
    for trial in lost.values():
        trial_experiment = override(experiment, trial.params)
        stages = plan_of(trial_experiment)
        if stages.finetune.digest != _finetune(trial).digest:
            raise SweepError(
                f"the results of trial {trial.number} ({_finetune(trial)}) are lost, and this version would "
                "compute others; restore the folder from a backup, or start another sweep with --name"
            )
        for stage in (*stages.shared, stages.finetune):
            if not store.is_intact(stage):
                store.discard(stage)
        experiments[stages.finetune.digest] = trial_experiment
    # Ray takes seconds to import, and most sweeps have lost nothing.
    from search.cluster.rebuilding import rebuild_on_ray

    on_progress("rebuild trials", 0, len(experiments))
    done = rebuild_on_ray(list(experiments.values()), sources, address=address)
    for number, _ in enumerate(done, start=1):
        on_progress("rebuild trials", number, len(experiments))
    found = {str(number): _metric(store, trial) for number, trial in lost.items()}
    REBUILT.write(study, {**REBUILT.of(study), **found})


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]


def _finetune(trial: FrozenTrial) -> StageKey:
    digest = STAGES.of(trial)["finetune"]
    assert digest is not None, "every trial has this stage"
    return StageKey(name="finetune", digest=digest)


def _metric(store: StageStore, trial: FrozenTrial) -> float:
    history = decode_history(json.loads(store.path(_finetune(trial), HISTORY_FILE).read_bytes()))
    return history[-1].metrics[METRIC]
