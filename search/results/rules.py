"""The rules that every leaderboard is shown with: the guideline, LBBB alone, QRS duration alone.

No model is trained and no ECG is read: it takes as long as reading the manifest.
"""

from dataclasses import dataclass

import numpy as np

from crtcore.config import Experiment
from crtcore.data.manifest import patients_of, read_manifest
from crtcore.errors import CrtError
from crtcore.evaluation.comparators import Comparison, compare
from crtcore.evaluation.rules import rule_comparators
from search.results.out_of_fold import AlignedPredictions

NUM_MANDATORY = 3  # of the rules; the last, QRS area, needs the recordings


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """The rules with figures, and for each of the others a sentence that says what it lacks."""

    comparisons: tuple[Comparison, ...]
    remarks: tuple[str, ...]


def mandatory_baselines(experiment: Experiment, predictions: AlignedPredictions, winner: int) -> Baselines:
    """The rules on the sweep's own patients, each compared with configuration `winner` of `predictions`.

    A leaderboard is not refused for want of a manifest: what stands in the way becomes a remark.
    """
    try:
        patients = predictions.in_order(patients_of(read_manifest(experiment)))
        rules = rule_comparators(patients, {})[:NUM_MANDATORY]
    except CrtError as error:
        return without_baselines(error)
    return Baselines(
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


def without_baselines(reason: CrtError) -> Baselines:
    """None, and why."""
    return Baselines(comparisons=(), remarks=(f"baselines not available: {reason}",))
