"""The winner of a sweep with all that is needed to run it again: its settings, its data, its stages.

Legend: P patients, B beats, C leads, F frequency bins, T frames, E scalars, N images.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from crtcore.config import Experiment, TrialResources
from crtcore.configfile import override
from crtcore.data.loader import ImageSet, load_images
from crtcore.data.sources import Sources
from crtcore.errors import SweepError
from crtcore.evaluation.selection import BbcEstimate
from crtcore.pipeline import Plan, open_store, plan, read_sources
from crtcore.prediction.predictor import BeatInputs
from crtcore.stages.store import StageStore
from crtcore.training.finetuning.patients import patient_beats
from search.results.leaderboard import Leaderboard, Row, build_leaderboard
from search.results.out_of_fold import AlignedPredictions
from search.study.config import stored_experiment


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best complete trial. `base` is the sweep's config, `experiment` the same with the trial's
    hyperparameters, and `plan` the trial's stages.
    """

    leaderboard: Leaderboard
    row: Row
    base: Experiment
    experiment: Experiment
    sources: Sources
    plan: Plan
    store: StageStore

    @property
    def is_pretrained(self) -> bool:
        """False for a network that was random before it was trained on the cohort, and for a simple model
        that reads no pre-trained network.
        """
        reads_network = self.experiment.finetune.model in ("network", "pretrained_features")
        return reads_network and self.experiment.pretrain.objective != "none"

    @property
    def predictions(self) -> AlignedPredictions:
        """The out-of-fold predictions of all complete trials."""
        assert self.leaderboard.predictions is not None
        return self.leaderboard.predictions

    def scores(self) -> npt.NDArray[np.float64]:
        """The trial's out-of-fold score of each patient, the mean over repeats."""
        return self.predictions.scores()[:, self.leaderboard.column(self.row)]

    @property
    def corrected(self) -> BbcEstimate:
        """The AUC corrected for the search."""
        assert self.leaderboard.corrected is not None
        return self.leaderboard.corrected

    @cached_property
    def images(self) -> ImageSet:
        """The cohort's images. They are loaded at the first use and kept."""
        return load_images(self.store, self.plan.cohort)

    def device_resources(self) -> TrialResources:
        """The resources of one trial of the sweep, without its GPUs if this machine has none."""
        resources = self.base.resources.trial
        if resources.gpus and not torch.cuda.is_available():
            return resources.model_copy(update={"gpus": 0.0})
        return resources


def find_winner(storage: str, name: str) -> Winner:
    """The winner of sweep `name`.

    SweepError if no trial is complete, or if the data or the code changed since the trial ran; DataError if
    recordings or the manifest are missing.
    """
    return winner_of(build_leaderboard(storage, name), storage)


def winner_of(
    leaderboard: Leaderboard,
    storage: str,
    *,
    sources: Sources | None = None,
    store: StageStore | None = None,
) -> Winner:
    """The winner of a leaderboard of `storage`. Raises the errors of `find_winner`.

    Give `sources` and `store` if the sweep's recordings were read and its store opened before.
    """
    row, name = leaderboard.best, leaderboard.name
    if row is None:
        raise SweepError(
            f"{leaderboard.sentences()[0]} Run `crtsearch sweep` again until a trial is complete"
        )
    # If the leaderboard has no config, this raises the reason.
    base = leaderboard.experiment or stored_experiment(storage, name)
    return trial_of(leaderboard, row, base, sources=sources, store=store)


def trial_of(
    leaderboard: Leaderboard,
    row: Row,
    base: Experiment,
    *,
    sources: Sources | None = None,
    store: StageStore | None = None,
) -> Winner:
    """A complete trial, runnable again as if it were the winner. Raises the errors of `find_winner`."""
    experiment = override(base, row.params)
    sources = sources or read_sources(experiment)
    stages = plan(experiment, sources)
    if stages.finetune.digest != row.stages["finetune"]:
        raise SweepError(
            f"the recordings, the manifest or the version of crtsearch changed since trial {row.number} of "
            f"{leaderboard.name} ran; restore them, or run the sweep again under a new name"
        )
    return Winner(
        leaderboard=leaderboard,
        row=row,
        base=base,
        experiment=experiment,
        sources=sources,
        plan=stages,
        store=store or open_store(experiment),
    )


def cohort_inputs(winner: Winner) -> BeatInputs:
    """The network's inputs for all beats of the cohort, in the order of the stored images."""
    images = winner.images
    beats = patient_beats(
        images, torch.from_numpy(np.array(images.image_NFT)), amplitude=winner.experiment.finetune.amplitude
    )
    return BeatInputs(image_BCFT=beats.inputs.numpy(), scalar_BCE=beats.scalar_BCE.numpy())
