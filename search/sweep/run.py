"""Runs a sweep, from its config to its leaderboard. Run again, it resumes; a finished sweep is only read."""

import functools
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError

from crtcore.config import Experiment
from crtcore.data.cohort_review import review_cohort
from crtcore.data.sources import Sources
from crtcore.errors import SweepError
from crtcore.pipeline import OnProgress, open_store, plan, prepare, read_sources
from crtcore.stages.trouble import is_disk_error, storage_trouble
from search.cluster.preparation import RayJobs
from search.dashboard.artifacts import ArtifactLinks
from search.dashboard.note import write_note
from search.dashboard.tensorboard import EventFiles
from search.results.leaderboard import Leaderboard, rank, with_rules
from search.results.refit import refit_if_cheap
from search.scheduling.sampling.objectives import directions, foreknown
from search.scheduling.sampling.space import require_networks
from search.scheduling.sampling.warm_start import first_points
from search.scheduling.session import Session
from search.study.attributes import DATA_FINDINGS
from search.study.config import keep_identity
from search.study.folder import driver_lock, sweep_dir, sweep_exists
from search.study.references import ReferenceFile
from search.study.study import open_study
from search.study.update import Listener
from search.sweep.rebuild import rebuild_lost

REFIT_SHARE: Final = 0.02  # the refit of the winner may add this share to the time of a sweep


def run_sweep(
    experiment: Experiment,
    *,
    address: str | None = None,
    warm_start: str | None = None,
    on_update: Listener = lambda update: None,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Leaderboard:
    """Run sweep `experiment.name` until `search.trials` trials are finished or another budget is used up, and
    rank them. `search.results.outcome.sweep_outcome` says how it ended and what failed.

    `address` is that of a Ray cluster ("auto" or host:port); by default the sweep uses this machine alone.
    `warm_start` names a sweep of the same storage whose best point is tried first. Trials that an earlier
    run left unfinished are resumed. If all trials are finished, or all their stages are built, Ray is not
    started.

    Raises ConfigError, DataError or StorageError on unusable input. Raises SweepError if another process
    runs the sweep, if it was started with other settings or data, if no trial fits the cluster, or if its
    study can no longer be written. Ctrl-C ends it at once and loses nothing.
    """
    require_networks(experiment)
    searched_s = 0.0
    folder = sweep_dir(experiment.storage, experiment.name)
    store = open_store(experiment)
    store.probe()  # now, not after the minutes that hashing recordings takes
    sources = read_sources(experiment)
    plan_of = functools.partial(plan, sources=sources)
    search = experiment.search
    with (
        driver_lock(folder),
        RayJobs(address, experiment.storage) as map_jobs,
        _study_errors(experiment.name),
    ):
        findings = _findings(experiment, sources, on_progress)  # first: unusable data leave no study
        study = open_study(
            experiment.storage,
            experiment.name,
            create=True,
            kind=search.study,
            directions=directions(experiment),
        )
        keep_identity(study, folder, experiment, plan_of(experiment))
        if DATA_FINDINGS.of(study) is None:
            DATA_FINDINGS.write(study, list(findings))
        _name_objectives(study, experiment)
        session = Session(
            study,
            experiment,
            store=store,
            plan_of=plan_of,
            prepare=functools.partial(prepare, store, map_jobs=map_jobs, on_progress=on_progress),
            foreknown=functools.partial(foreknown, num_leads=len(sources.cohort_leads)),
            first=first_points(study, experiment, warm_start),
            listeners=(
                ReferenceFile(study, experiment.storage).on_update,
                on_update,
                ArtifactLinks(study, store).on_update,
                EventFiles(folder / "tensorboard").on_update,
            ),
        )
        try:
            session.look_ahead()
            if not session.is_done:
                # Ray takes seconds to import, and a finished sweep is read without it.
                from search.cluster.tuner import run_on_ray

                start_s = time.monotonic()
                run_on_ray(session, experiment, sources, address=address)
                searched_s = time.monotonic() - start_s
        finally:
            session.close()
        if session.halted:
            raise SweepError(session.halted)
        rebuild_lost(
            study,
            experiment,
            sources,
            store=store,
            plan_of=plan_of,
            address=address,
            on_progress=on_progress,
        )
        board = with_rules(rank(study, store, experiment), experiment)
    write_note(experiment.storage, experiment.name, board)
    if searched_s:
        refit_if_cheap(
            board,
            experiment.storage,
            budget_s=REFIT_SHARE * searched_s,
            sources=sources,
            store=store,
            on_progress=on_progress,
        )
    return board


def _findings(experiment: Experiment, sources: Sources, on_progress: OnProgress) -> Sequence[str]:
    """What is wrong with the cohort as a whole: from the study, or else from the recordings."""
    if sweep_exists(experiment.storage, experiment.name):
        known = DATA_FINDINGS.of(open_study(experiment.storage, experiment.name, create=False))
        if known is not None:
            return known
    return review_cohort(sources, on_progress)


def _name_objectives(study: optuna.Study, experiment: Experiment) -> None:
    """Name the objectives, so that dashboards say `auc` and not `Objective 0`."""
    names: list[str] = list(experiment.search.objectives)
    if study.metric_names != names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # the only public way
            study.set_metric_names(names)


@contextmanager
def _study_errors(name: str) -> Iterator[None]:
    try:
        yield
    except StorageInternalError as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        raise SweepError(
            f"the study of sweep {name} can no longer be read or written ({cause}); check whether its disk "
            "is full or its database is down. Nothing is lost: the same command resumes the sweep"
        ) from error
    except OSError as error:
        if not is_disk_error(error):
            raise
        raise storage_trouble(str(error.filename or f"the folder of sweep {name}"), error) from error
