"""A real sweep, searched and trained, one trial after another in this process."""

import functools

import optuna

from crtcore.config import Experiment
from crtcore.data.sources import Sources
from crtcore.pipeline import open_store, plan, prepare, read_sources, run_trial
from crtcore.training.engine.device import use_device
from search.scheduling.session import Session
from search.study.config import keep_identity
from search.study.folder import sweep_dir
from search.study.study import open_study


def sweep_here(experiment: Experiment) -> None:
    """Run the whole sweep as `run_sweep` does, without a cluster."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sources, store = read_sources(experiment), open_store(experiment)
    study = open_study(experiment.storage, experiment.name, create=True)
    folder = sweep_dir(experiment.storage, experiment.name)
    keep_identity(study, folder, experiment, plan(experiment, sources))
    session = Session(
        study,
        experiment,
        store=store,
        plan_of=functools.partial(plan, sources=sources),
        prepare=functools.partial(prepare, store),
    )
    run_here(session, experiment, sources)
    session.close()


def run_here(
    session: Session, experiment: Experiment, sources: Sources, *, address: str | None = None
) -> None:
    """Run trials until the session is done, as `run_on_ray` does. A trial plans its stages itself."""
    device = use_device(experiment.resources.trial)
    while (proposal := session.next(1)) is not None:
        stages = plan(proposal.experiment, sources)
        for report in run_trial(open_store(experiment), proposal.experiment, stages, device):
            if not session.report(proposal.number, report, node="here"):
                break
