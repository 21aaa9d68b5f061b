"""A sweep from start to leaderboard. Run again, it goes on where it was; run once more, it only reads."""

import functools
from collections.abc import Callable

from crtcore.config import Experiment
from crtcore.errors import SweepError
from crtcore.pipeline import OnProgress, open_store, plan, prepare, read_sources
from search.identity import keep_identity
from search.leaderboard import Leaderboard, build_leaderboard
from search.lock import driver_lock
from search.preparation import RayJobs
from search.session import Session, TrialUpdate
from search.study import open_study, sweep_dir


def run_sweep(
    experiment: Experiment,
    *,
    address: str | None = None,
    on_update: Callable[[TrialUpdate], None] = lambda update: None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Leaderboard:
    """Run sweep `experiment.name` until `search.trials` trials are finished, and rank them.

    `address` is a Ray cluster's ("auto" or host:port); by default the sweep has this machine to itself.
    Trials that an earlier run left unfinished are gone on with; a sweep that is finished is only read, and no
    Ray is started.

    Raises ConfigError, DataError or StorageError on unusable input; SweepError if another process runs the
    sweep, if it was started with other settings or data, or if no trial fits the cluster. Ctrl-C ends it at
    once and loses nothing.
    """
    folder = sweep_dir(experiment.storage, experiment.name)
    sources = read_sources(experiment)
    plan_of = functools.partial(plan, sources=sources)
    store = open_store(experiment)
    with driver_lock(folder), RayJobs(address) as map_jobs:
        study = open_study(experiment.storage, experiment.name, create=True)
        keep_identity(study, folder, experiment, plan_of(experiment))
        session = Session(
            study,
            experiment,
            store=store,
            plan_of=plan_of,
            prepare=functools.partial(
                prepare, store, sources=sources, map_jobs=map_jobs, on_progress=on_progress
            ),
            on_update=on_update,
        )
        session.look_ahead()
        if not session.is_done:
            # Ray takes seconds to import, and a finished sweep is read without it.
            from search.tuner import run_on_ray

            run_on_ray(session, experiment, sources, address=address)
        if session.halted:
            raise SweepError(f"{session.halted} (once mended, the same command goes on where it was)")
    return build_leaderboard(experiment.storage, experiment.name)
