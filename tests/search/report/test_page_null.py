"""End to end: a real sweep on permuted outcomes reports that nothing was found. The same sweep on an outcome
that the ECG shows finds it.
"""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.simulation.write import simulate
from search.report.page import PAGE, RESULTS, write_report
from tests.search.sweep_here import sweep_here

NUM_PATIENTS = 36


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated cohort with two more manifests. In `lbbb.csv` the outcome is LBBB, which the ECG shows. In
    `permuted.csv` the same outcomes are permuted at random.
    """
    folder = tmp_path_factory.mktemp("null") / "data"
    simulate(folder, seed=2, num_records=2, minutes=0.5, num_patients=NUM_PATIENTS)
    with (folder / "cohort" / "cohort.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    shown = [row["lbbb"] for row in rows]
    permuted = np.random.default_rng(5).permutation(shown).tolist()
    for name, labels in (("lbbb", shown), ("permuted", permuted)):
        with (folder / "cohort" / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=["patient_id", "recording", "label"])
            writer.writeheader()
            for row, label in zip(rows, labels, strict=True):
                writer.writerow(
                    {"patient_id": row["patient_id"], "recording": row["recording"], "label": label}
                )
    return folder


def report(data: Path, name: str) -> tuple[dict[str, Any], str]:
    """Run a sweep on one of the manifests and write its report: results.json and the page."""
    experiment = Experiment.model_validate(
        {
            "name": name,
            "storage": str(data.parent / "storage"),
            "cache": data.parent / "cache",
            "data": data,
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 8},
            "cohort": {
                "manifest": f"cohort/{name}.csv",
                "leads": ["II", "V1"],
                "max_beats_per_recording": 1,
                "class_names": ["no block", "block"],
                "note": f"The outcome is that of {name}.csv.",
            },
            "pretrain": {"epochs": 1, "batch_size": 16},
            "finetune": {"epochs": 8, "folds": 3, "frozen_groups": 5, "batch_size": 16},
            "search": {
                "trials": 10,
                "sampler": "random",
                "scheduler": {"name": "none"},
                "space": {
                    "finetune.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
                    "finetune.lead_fusion": ["concatenate", "mean"],
                },
            },
        }
    )
    sweep_here(experiment)
    page = write_report(experiment.storage, name)
    assert page.name == PAGE
    return json.loads((page.parent / RESULTS).read_text()), page.read_text()


def test_the_report_of_a_search_on_permuted_outcomes_says_that_nothing_was_found(data: Path) -> None:
    results, page = report(data, "permuted")
    assert results["sentences"][0].startswith("Nothing was found: ")
    assert "<p>Nothing was found: " in page
    corrected = results["corrected"]
    assert corrected["num_configurations"] == 10
    assert corrected["num_patients"] == NUM_PATIENTS
    assert corrected["estimate"] < corrected["naive"]


def test_the_same_search_finds_an_outcome_that_the_ecg_shows_and_the_page_names_it(data: Path) -> None:
    results, page = report(data, "lbbb")
    assert results["sentences"][0].startswith("Better than chance within this cohort.")
    assert results["corrected"]["low"] > 0.5
    assert results["caveat"].startswith("SIMULATED DATA")
    assert results["caveat"].endswith("The outcome is that of lbbb.csv.")
    assert f'<div class="banner">{results["caveat"]}</div>' in page
    assert "block (" in page and "no block (" in page
    assert "responder" not in page
