"""Does a whole sweep find something if there is nothing? Sweeps on a simulated cohort with permuted outcomes.

    python -m benchmarks.null_sweep [--quick]

The sweep of configs/demo.yaml (12 trials, 71 simulated patients) runs once on the true outcomes and three
times on permuted outcomes, and a report is written for each. `found` counts the reports that do not start
with "Nothing was found". The peer is what any tuner prints: the AUC of its best trial. All sweeps share one
storage, so pre-training runs once. This takes about 15 minutes on two CPU cores. With --quick (one
permutation, 36 patients, 4 trials) it takes about 2 minutes; so few patients are not enough to find the
truth.
"""

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from crtcore.config import Experiment
from crtcore.configfile import load_experiment, override
from crtcore.simulation.write import simulate
from search.report.page import RESULTS, write_report
from search.results.leaderboard import build_leaderboard
from search.sweep.run import run_sweep

NOTHING = "Nothing was found"
QUICK: dict[str, Any] = {
    "arrhythmia.max_beats_per_record": 10,
    "cohort.leads": ("II", "V1"),
    "pretrain.epochs": 1,
    "finetune.epochs": 2,
    "search.trials": 4,
    "search.scheduler": {"name": "none"},
    "search.space": {
        "finetune.learning_rate": {"low": 0.0001, "high": 0.01, "log": True},
        "finetune.frozen_groups": [5],
    },
}


def permuted_manifest(manifest: Path, seed: int) -> Path:
    """A manifest of the same patients with their outcomes permuted."""
    with manifest.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    labels = np.random.default_rng(seed).permutation([row["label"] for row in rows])
    path = manifest.with_name(f"permuted{seed}.csv")
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": label} for row, label in zip(rows, labels, strict=True))
    return path


def outcome(experiment: Experiment) -> dict[str, Any]:
    """Run the sweep and write its report. Returns what a tuner would print and what the report says."""
    run_sweep(experiment)
    page = write_report(experiment.storage, experiment.name)
    results = json.loads((page.parent / RESULTS).read_text())
    best = build_leaderboard(experiment.storage, experiment.name).best
    assert best is not None and best.auc is not None
    corrected = results["corrected"]
    return {
        "best_trial_auc": best.auc,
        "corrected": corrected["estimate"],
        "low": corrected["low"],
        "high": corrected["high"],
        "permutation_p": results["permutation_test"]["p_value"],
        "found": not results["sentences"][0].startswith(NOTHING),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one permutation of a small cohort and sweep")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch, "data")
        simulate(data, num_patients=36, num_records=4, minutes=0.5) if quick else simulate(data)
        demo = override(
            load_experiment("demo"),
            {"data": data, "storage": f"{scratch}/storage", "cache": Path(scratch, "cache")},
        )
        demo = override(demo, QUICK if quick else {})
        truth = outcome(override(demo, {"name": "truth"}))
        null = [
            outcome(
                override(
                    demo,
                    {
                        "name": f"permuted{seed}",
                        "cohort.manifest": permuted_manifest(demo.manifest_path, seed),
                        "cohort.note": "The outcomes were permuted: there is nothing to find.",
                    },
                )
            )
            for seed in range(1 if quick else 3)
        ]
    result = {
        "benchmark": "null_sweep",
        "num_permuted_sweeps": len(null),
        "num_found_permuted": sum(one["found"] for one in null),
        "mean_best_trial_auc_permuted": round(float(np.mean([one["best_trial_auc"] for one in null])), 4),
        "mean_corrected_permuted": round(float(np.mean([one["corrected"] for one in null])), 4),
        "found_truth": truth["found"],
        "truth": truth,
        "permuted": null,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
