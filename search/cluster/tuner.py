"""Run a session on Ray Tune. Tune places, retries and stops trials; the session decides what runs and records
the results.
"""

import tempfile

from ray import tune
from ray.tune.experiment import Trial

from crtcore.config import Experiment
from crtcore.data.sources import Sources
from search.cluster.connection import connected, dashboard_url
from search.cluster.prometheus import SweepMetrics
from search.cluster.shared_storage import require_shared
from search.cluster.slots import Slots, bundle
from search.cluster.trainable import StagedTrial
from search.cluster.tune_adapters import SessionScheduler, SessionSearcher, SessionStopper
from search.scheduling.session import Session
from search.study.attributes import RAY_DASHBOARD


def run_on_ray(session: Session, experiment: Experiment, sources: Sources, *, address: str | None) -> None:
    """Run trials until the session is done or halted.

    `address` is a Ray cluster's ("auto" or host:port); with None, Ray is started on this machine. The sweep's
    metrics become a listener of the session, and the address of Ray's dashboard is written to the study.
    """
    resources = experiment.resources
    with connected(address), tempfile.TemporaryDirectory(prefix="crtsearch-tune-") as folder:
        if address is not None:
            require_shared(experiment.storage)
        slots = Slots(resources.trial, may_grow=address is not None)
        slots()  # if no trial fits, fail before anything is started
        metrics = SweepMetrics(experiment.name)
        session.listeners.add(metrics.on_update)
        RAY_DASHBOARD.write(session.study, dashboard_url())
        trainable = tune.with_parameters(StagedTrial, experiment=experiment, sources=sources)
        tune.Tuner(
            tune.with_resources(trainable, bundle(resources.trial)),
            tune_config=tune.TuneConfig(
                search_alg=SessionSearcher(session, slots),
                scheduler=SessionScheduler(session),
                num_samples=-1,  # the searcher says when the sweep ends
                reuse_actors=True,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                name=experiment.name,
                storage_path=folder,  # Tune insists on writing files here; nobody reads them
                # By default each trial writes a checkpoint at its end, and other nodes cannot write there.
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=resources.max_failures),
                stop=SessionStopper(session),
                callbacks=[metrics],
                verbose=0,
            ),
        ).fit()


def _name(trial: Trial) -> str:
    return f"trial-{trial.config['number']}-{trial.trial_id}"
