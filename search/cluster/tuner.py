"""A session run by Ray Tune: Tune places, retries and stops; what to run, and what came of it, is the
session's.
"""

import logging
import tempfile
from collections.abc import Callable

import optuna
import ray
from ray import tune
from ray.tune.experiment import Trial

from crtcore.config import Experiment
from crtcore.data.sources import Sources
from search.cluster.connection import connected
from search.cluster.prometheus import SweepMetrics
from search.cluster.shared_storage import require_shared
from search.cluster.slots import Slots, bundle
from search.cluster.trainable import StagedTrial
from search.cluster.tune_adapters import SessionScheduler, SessionSearcher, SessionStopper
from search.scheduling.session import Session
from search.study.attributes import RAY_DASHBOARD
from search.study.update import TrialUpdate


def run_on_ray(
    session: Session,
    experiment: Experiment,
    sources: Sources,
    *,
    address: str | None,
    study: optuna.Study,
    listeners: list[Callable[[TrialUpdate], None]],
) -> None:
    """Run trials until the session is done or halted.

    `study` is the session's, and `listeners` are told of its updates; the sweep's metrics join them, and
    Ray's dashboard is named in the study.
    """
    resources = experiment.resources
    with connected(address), tempfile.TemporaryDirectory(prefix="crtsearch-tune-") as folder:
        if address is not None:
            require_shared(experiment.storage)
        slots = Slots(resources.trial, may_grow=address is not None)
        slots()  # fails here, before anything is started, if no trial fits
        metrics = SweepMetrics(study)
        listeners.append(metrics.on_update)
        RAY_DASHBOARD.write(study, _dashboard_url())
        trainable = tune.with_parameters(StagedTrial, experiment=experiment, sources=sources)
        tune.Tuner(
            tune.with_resources(trainable, bundle(resources.trial)),
            tune_config=tune.TuneConfig(
                search_alg=SessionSearcher(session, slots),
                scheduler=SessionScheduler(session),
                num_samples=-1,  # the searcher says when it is over
                reuse_actors=True,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                name=experiment.name,
                storage_path=folder,  # for what Tune must write and nobody reads
                # Nor could a node write there: by default every trial leaves a checkpoint at its end.
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=resources.max_failures),
                stop=SessionStopper(session),
                callbacks=[metrics],
                verbose=0,
            ),
        ).fit()


def _dashboard_url() -> str:
    context = ray.init(ignore_reinit_error=True, logging_level=logging.ERROR)  # connected: it only tells
    return f"http://{context.dashboard_url}/" if context.dashboard_url else ""


def _name(trial: Trial) -> str:
    return f"trial-{trial.config['number']}-{trial.trial_id}"
