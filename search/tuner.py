"""A session run by Ray Tune: Tune places, retries and stops; what to run, and what came of it, is the
session's.
"""

import tempfile

from ray import tune
from ray.tune.experiment import Trial

from crtcore.config import Experiment
from crtcore.data.sources import Sources
from search.cluster import Slots, bundle, connected
from search.scheduler import SessionScheduler
from search.searcher import SessionSearcher
from search.session import Session
from search.trial import StagedTrial


class _StopWhenHalted(tune.Stopper):
    """Ends the run once the session has found what no trial can get past."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, trial_id: str, result: dict[str, object]) -> bool:
        return False

    def stop_all(self) -> bool:
        return bool(self._session.halted)


def run_on_ray(session: Session, experiment: Experiment, sources: Sources, *, address: str | None) -> None:
    """Run trials until the session is done or halted."""
    resources = experiment.resources
    with connected(address), tempfile.TemporaryDirectory(prefix="crtsearch-tune-") as folder:
        slots = Slots(resources.trial, may_grow=address is not None)
        slots()  # fails here, before anything is started, if no trial fits
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
                failure_config=tune.FailureConfig(max_failures=resources.max_failures),
                stop=_StopWhenHalted(session),
                verbose=0,
            ),
        ).fit()


def _name(trial: Trial) -> str:
    return f"trial-{trial.config['number']}-{trial.trial_id}"
