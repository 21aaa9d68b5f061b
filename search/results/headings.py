"""Short column headings for hyperparameters."""

from collections.abc import Iterable
from typing import Final

SHORT: Final = {"frozen_groups": "frozen", "learning_rate": "lr", "batch_size": "batch"}


def headings(keys: Iterable[str]) -> dict[str, str]:
    """A short heading for each dotted config key. The section is added, on a line above, if two keys would
    have the same heading.
    """
    short = {key: _short(key.rpartition(".")[2]) for key in keys}
    names = list(short.values())
    return {
        key: name if names.count(name) == 1 else f"{key.partition('.')[0]}\n{name}"
        for key, name in short.items()
    }


def _short(leaf: str) -> str:
    return SHORT.get(leaf, leaf.replace("_", " "))
