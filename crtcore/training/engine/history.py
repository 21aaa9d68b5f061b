"""The reports of a stage's epochs, and the file that keeps them. Reading them needs no torch."""

from dataclasses import asdict, dataclass
from typing import Any, Final

HISTORY_FILE: Final = "history.json"


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One finished epoch of a stage, counted from 1. `num_images` is how many images it processed.

    `note` tells the user what happened before this epoch; it is "" if nothing did. `ranks` is the order of
    the patients after it (`finetuning/epoch_ranks.py`); it is "" in other stages and older histories.
    """

    stage: str
    epoch: int
    num_epochs: int
    metrics: dict[str, float]
    num_images: int
    seconds: float
    note: str = ""
    ranks: str = ""


def encode_history(reports: list[EpochReport]) -> list[dict[str, Any]]:
    """Reports as JSON values, without the ranks of stages that have none."""
    found = [asdict(report) for report in reports]
    return [{key: value for key, value in report.items() if key != "ranks" or value} for report in found]


def decode_history(history: list[dict[str, Any]]) -> list[EpochReport]:
    """The reports that `encode_history` wrote."""
    return [EpochReport(**report) for report in history]
