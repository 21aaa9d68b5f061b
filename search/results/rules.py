"""The rules beside every leaderboard: the guideline, LBBB alone, QRS duration alone.

They train no model and read no ECG: they need only the manifest.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from crtcore.config import Experiment
from crtcore.data.manifest import patients_of, read_manifest
from crtcore.errors import CrtError
from crtcore.evaluation.comparators import Comparison, compare
from crtcore.evaluation.rules import rule_comparators
from search.results.out_of_fold import AlignedPredictions

NUM_WITHOUT_ECG: Final = 3  # of the rules; the last one, QRS area, needs the recordings


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The winner against each rule, and a remark for each rule that lacks a column of the manifest."""

    comparisons: tuple[Comparison, ...]
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The comparisons and remarks as JSON values."""
        return {
            "comparisons": [each.as_json() for each in self.comparisons],
            "remarks": list(self.remarks),
        }


def compare_rules(experiment: Experiment, predictions: AlignedPredictions, winner: int) -> Rules:
    """The rules on the sweep's own patients, against configuration `winner` of `predictions`.

    If the manifest cannot be read or has changed, the reason becomes a remark: the ranking is still valid.
    """
    try:
        patients = predictions.in_order(patients_of(read_manifest(experiment)))
        rules = rule_comparators(patients, {})[:NUM_WITHOUT_ECG]
    except CrtError as error:
        return no_rules(error)
    return Rules(
        comparisons=compare(
            np.asarray(predictions.label_P),
            predictions.scores()[:, winner],
            rules,
            num_folds=predictions.num_folds,
        ),
        remarks=tuple(
            f"{rule.name} not available: it needs {rule.missing_column} of every patient in the manifest"
            for rule in rules
            if rule.missing_column is not None
        ),
    )


def no_rules(reason: CrtError) -> Rules:
    """No comparisons, and a remark with the reason."""
    return Rules(comparisons=(), remarks=(f"rules not available: {reason}",))
