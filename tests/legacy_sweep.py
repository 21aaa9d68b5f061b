"""A finished sweep that an older commit made, as a new test finds it.

`tests/legacy/storage` is what commit 902006b left after `crtsearch simulate data/simulated` and
`crtsearch sweep demo`: the study, the stored config, every stage manifest and the predictions of the
complete trials. Weights, images and activations are left out. The paths in the config are relative.
`tests/legacy/best.txt` is what `crtsearch best demo` printed. All of it is simulated; no patient is in it.
"""

import shutil
from pathlib import Path
from typing import Final

LEGACY: Final = Path(__file__).resolve().parent / "legacy"
NAME: Final = "demo"
CONFIG: Final = f"storage/sweeps/{NAME}/config.yaml"


def copy_legacy_sweep(folder: Path, data: Path) -> None:
    """Put the storage and a link to `data` into `folder`, where its config looks for them from there."""
    shutil.copytree(LEGACY / "storage", folder / "storage")
    (folder / "data").mkdir()
    (folder / "data" / "simulated").symlink_to(data)
