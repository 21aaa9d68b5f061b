"""The Tune trainable: it runs crtcore's stages and returns their epochs to Tune. All state of a trial lies
in the stage store, so Tune has nothing to checkpoint. A trial that lost its process is started again, and
resumes after the last epoch that was saved.
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
from crtcore.training.engine.history import EpochReport

# What a step returns: `report` (an EpochReport) for a finished epoch; after the last one the driver stops the
# trial. Or `done` with `reason` (these hyperparameters cannot be trained) or with `halt` (no trial can run
# until this is fixed).
Result = dict[str, Any]


class StagedTrial(tune.Trainable):
    """A process that runs one trial after another. The config holds the trial's `number` and `params`, and,
    if the trial failed before, `wait_s`.
    """

    # The keywords come from tune.with_parameters.
    def setup(  # type: ignore[override]
        self, config: dict[str, Any], *, experiment: Experiment, sources: Sources
    ) -> None:
        """Tune calls this once in the process; all its trials share the base experiment and sources."""
        self._base = experiment
        self._sources = sources
        self._store = open_store(experiment)  # one for all trials, so that files are verified once
        self._reports = self._run(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start another trial in this process."""
        self._reports = self._run(new_config)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # the last trial may have held more than this one's share
        return True

    def step(self) -> Result:
        """Run one epoch."""
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
        """Do nothing: Tune asks for this method, but the stage store has the state."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Do nothing."""

    def _run(self, config: dict[str, Any]) -> Iterator[EpochReport]:
        time.sleep(config.get("wait_s", 0.0))
        experiment = override(self._base, config["params"])
        store = self._store
        stages = plan(experiment, self._sources)
        # The driver has prepared the data; this node may not see the recordings.
        if store.find(stages.arrhythmia) is None or store.find(stages.cohort) is None:
            raise StorageError(
                f"node {socket.gethostname()} does not see what was prepared in {experiment.storage}; set "
                "storage to a folder that all nodes share, or to an s3:// or gs:// URI"
            )
        yield from run_trial(store, experiment, stages, use_device(experiment.resources.trial))
