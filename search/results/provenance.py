"""What is needed to reproduce a result: versions, seed, digests, and the command."""

import platform
from importlib.metadata import version
from typing import Any

import torch

from search.results.winner import Winner
from search.study.config import CONFIG_FILE
from search.study.folder import sweep_dir

DISTRIBUTION = "crtsearch-ecg"  # what pip calls this program
PACKAGES = (
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


def versions() -> dict[str, str]:
    """The installed versions, by package. The trials may have run with other versions."""
    ours = {"python": platform.python_version(), "crtsearch": version(DISTRIBUTION)}
    return ours | {name: version(name) for name in PACKAGES}


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
