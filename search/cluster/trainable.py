"""The Tune trainable: a thin shell over crtcore's stages. All of a trial's state lies in the stage store, so
there is nothing to checkpoint: a trial that lost its process is started anew and goes on after the last epoch
that it saved, the last or the one before.
"""

import socket
import time
from collections.abc import Iterator
from typing import Any

import torch
from ray import tune

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import Sources
from crtcore.errors import CrtError, DivergedError, StorageError
from crtcore.pipeline import open_store, plan, run_trial
from crtcore.stages.trouble import is_disk_error, storage_trouble
from crtcore.training.engine.device import use_device
from crtcore.training.engine.epochs import EpochReport

# What a step returns: `report` (an EpochReport) for a finished epoch, and with the last one the driver stops
# the trial. Or `done` with `reason` (these hyperparameters cannot be trained) or `halt` (no trial can be run
# before that is mended).
Result = dict[str, Any]


class StagedTrial(tune.Trainable):
    """One process that runs one trial after another; its config holds the trial's `number` and `params`, and
    `wait_s` where it failed before.
    """

    # The keywords come from tune.with_parameters.
    def setup(  # type: ignore[override]
        self, config: dict[str, Any], *, experiment: Experiment, sources: Sources
    ) -> None:
        """Called once in the process; the same base experiment and sources serve all its trials."""
        self._base = experiment
        self._sources = sources
        self._store = open_store(experiment)  # one for all: what it has verified stays so
        self._reports = self._run(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Turn to another trial."""
        self._reports = self._run(new_config)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # what the last trial held may be more than this one's share of the GPU
        return True

    def step(self) -> Result:
        """One epoch."""
        try:
            return {"report": next(self._reports)}
        except DivergedError as error:
            return {"done": True, "reason": str(error)}
        except CrtError as error:
            return {"done": True, "halt": str(error)}
        except OSError as error:
            if not is_disk_error(error):
                raise
            trouble = storage_trouble(str(error.filename or "a disk"), error)
            return {"done": True, "halt": f"node {socket.gethostname()}: {trouble}"}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: Tune asks for the method, the stage store has the state."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing."""

    def _run(self, config: dict[str, Any]) -> Iterator[EpochReport]:
        time.sleep(config.get("wait_s", 0.0))
        experiment = override(self._base, config["params"])
        store = self._store
        stages = plan(experiment, self._sources)
        # The driver prepares the data, where the recordings are; a node that does not see them cannot do so
        # itself.
        if store.find(stages.arrhythmia) is None or store.find(stages.cohort) is None:
            raise StorageError(
                f"node {socket.gethostname()} does not see what was prepared in {experiment.storage}; set "
                "storage to a folder that all nodes share, or to an s3:// or gs:// URI"
            )
        yield from run_trial(store, experiment, stages, use_device(experiment.resources.trial))
