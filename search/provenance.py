"""What a result rests on: data, versions, seeds, digests, and the command that gives it again."""

import platform
from importlib.metadata import version
from typing import Any

import torch

from crtcore.config import Experiment
from crtcore.data.cohort import LVESV, manifest_columns
from crtcore.data.simulate import SETTINGS_FILE
from search.identity import CONFIG_FILE
from search.study import sweep_dir
from search.winner import Winner

PACKAGES = (
    "crtsearch",
    "torch",
    "torchvision",
    "ray",
    "optuna",
    "numpy",
    "scipy",
    "scikit-learn",
    "pyarrow",
    "wfdb",
    "numba",
)


def is_simulated(experiment: Experiment) -> bool:
    """Whether database or cohort lie in a folder that `crtsearch simulate` wrote."""
    places = (experiment.manifest_path.parent, experiment.database_path)
    return any((folder / SETTINGS_FILE).is_file() for place in places for folder in (place, place.parent))


def outcome_sentence(experiment: Experiment) -> str:
    """What label 1 is, as far as the manifest says."""
    if "label" in manifest_columns(experiment.manifest_path):
        return (
            "Label 1 is what the manifest's column `label` says it is; whether that is response to CRT, only "
            "the manifest's author knows."
        )
    return f"Label 1 is a fall of LVESV by 15 % or more ({LVESV[0]} to {LVESV[1]})."


def versions() -> dict[str, str]:
    """The versions in use now, by package; those of a trial's own run may have been others."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def provenance(winner: Winner) -> dict[str, Any]:
    """Versions, seed, digests and the command, as JSON values."""
    folder = sweep_dir(winner.base.storage, winner.base.name)
    return {
        "command": f"crtsearch sweep {folder / CONFIG_FILE}",
        "seed": winner.base.seed,
        "versions": versions(),
        "platform": platform.platform(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "digests": {
            "arrhythmia": winner.plan.arrhythmia.digest,
            "cohort": winner.plan.cohort.digest,
            **winner.row.stages,
        },
    }
