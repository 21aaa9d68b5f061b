"""Short column headings for hyperparameters."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a table of a running sweep needs neither Optuna nor the stage store
    pass


SHORT = {"frozen_groups": "frozen", "learning_rate": "lr", "batch_size": "batch"}


def headings(keys: Iterable[str]) -> dict[str, str]:
    """A short heading for each dotted config key, with its section only where two keys would read alike."""
    short = {key: _short(key.rpartition(".")[2]) for key in keys}
    names = list(short.values())
    return {
        key: name if names.count(name) == 1 else f"{key.partition('.')[0]}\n{name}"
        for key, name in short.items()
    }


def _short(leaf: str) -> str:
    return SHORT.get(leaf, leaf.replace("_", " "))
