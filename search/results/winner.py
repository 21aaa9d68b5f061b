"""The winner of a sweep as something that can be run again: its settings, its data, its stages."""

from dataclasses import dataclass

import numpy as np
import torch

from crtcore.config import Experiment, TrialResources
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.data.sources import Sources
from crtcore.errors import SweepError
from crtcore.pipeline import Plan, open_store, plan, read_sources
from crtcore.prediction.predictor import BeatInputs
from crtcore.stages.store import StageStore
from crtcore.training.finetuning.patients import patient_beats
from search.results.leaderboard import Leaderboard, Row, build_leaderboard
from search.study.config import stored_experiment


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best complete trial. `experiment` holds its hyperparameters; `base` is the sweep's."""

    leaderboard: Leaderboard
    row: Row
    base: Experiment
    experiment: Experiment
    sources: Sources
    plan: Plan
    store: StageStore

    @property
    def is_pretrained(self) -> bool:
        """False of the from-scratch arm, whose network was random before it was trained on the cohort."""
        return self.experiment.pretrain.objective != "none"

    def device_resources(self) -> TrialResources:
        """What a trial had; the CPU alone where the sweep's GPUs are not at hand."""
        resources = self.base.resources.trial
        if resources.gpus and not torch.cuda.is_available():
            return resources.model_copy(update={"gpus": 0.0})
        return resources


def find_winner(storage: str, name: str) -> Winner:
    """The winner of sweep `name`, with its data at hand.

    SweepError if no trial is complete, or if data or code are no longer those that the trial ran with;
    DataError if recordings or the manifest are gone.
    """
    return winner_of(build_leaderboard(storage, name), storage)


def winner_of(leaderboard: Leaderboard, storage: str) -> Winner:
    """The winner of a leaderboard of `storage`; raises as `find_winner` does."""
    row, name = leaderboard.best, leaderboard.name
    if row is None:
        raise SweepError(f"{leaderboard.sentences()[0]} Run `crtsearch sweep` again until one is")
    base = stored_experiment(storage, name)
    experiment = override(base, row.params)
    sources = read_sources(experiment)
    stages = plan(experiment, sources)
    if stages.finetune.digest != row.stages["finetune"]:
        raise SweepError(
            f"the recordings, the manifest or this version of crtsearch are not those that trial "
            f"{row.number} of {name} ran with; go back to them, or run the sweep again under a new name"
        )
    return Winner(
        leaderboard=leaderboard,
        row=row,
        base=base,
        experiment=experiment,
        sources=sources,
        plan=stages,
        store=open_store(experiment),
    )


def cohort_inputs(winner: Winner) -> BeatInputs:
    """All beats of the cohort as the winner's network is given them, in the order of the stored images."""
    images = load_images(winner.store, winner.plan.cohort)
    beats = patient_beats(
        images, torch.from_numpy(np.array(images.image_NFT)), amplitude=winner.experiment.finetune.amplitude
    )
    return BeatInputs(image_BCFT=beats.inputs.numpy(), scalar_BCE=beats.scalar_BCE.numpy())
