"""The time that a trial takes besides its computation: one slot, and trials that compute almost nothing.

    python -m benchmarks.overhead [--trials 60] [--quick]

The result has three times in seconds:

    startup_s   once per sweep: until the end of the first trial. Ray and the trial process start, and all
                shared stages are built.
    overhead_s  per trial, from the end of the first trial to the end of the last: the sweep's time minus the
                time of the trial's own epochs
    replayed_s  the same for a second sweep over the same configurations, with all stages in the store
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from ray._private.utils import get_num_cpus  # respects container quotas, unlike os.cpu_count

from crtcore.config import Experiment
from crtcore.simulation.write import simulate
from search.study.update import TrialUpdate
from search.sweep.run import run_sweep

QUICK_TRIALS: Final = 10


class Stopwatch:
    """The times at which a sweep started, and at which its first and its last trial finished."""

    def __init__(self) -> None:
        self.start_s = time.monotonic()
        self.first_s = self.last_s = 0.0
        self.first: int | None = None

    def __call__(self, update: TrialUpdate) -> None:
        if update.state == "COMPLETE":
            self.last_s = time.monotonic()
            if self.first is None:
                self.first, self.first_s = update.number, self.last_s


def experiment(folder: Path, name: str, num_trials: int) -> Experiment:
    rates = np.geomspace(1e-4, 1e-1, num_trials).tolist()
    return Experiment.model_validate(
        {
            "name": name,
            "storage": str(folder / "storage"),
            "cache": folder / "cache",
            "data": folder / "data",
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 4},
            "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II"], "max_beats_per_recording": 1},
            "pretrain": {"epochs": 1},
            "finetune": {"epochs": 1, "folds": 2, "frozen_groups": 5},
            "search": {
                "trials": num_trials,
                "sampler": "grid",
                "scheduler": {"name": "none"},
                "space": {"finetune.learning_rate": rates},
            },
            # More than half of the CPUs: only one trial runs at a time.
            "resources": {"trial": {"cpus": get_num_cpus() / 2 + 0.5}},
        }
    )


def measure(folder: Path, name: str, num_trials: int) -> dict[str, Any]:
    watch = Stopwatch()
    leaderboard = run_sweep(experiment(folder, name, num_trials), on_update=watch)
    busy_s = sum(row.seconds or 0.0 for row in leaderboard.rows if row.number != watch.first)
    sweep_s = watch.last_s - watch.first_s
    return {
        "complete": leaderboard.count("COMPLETE"),
        "startup_s": round(watch.first_s - watch.start_s, 2),
        "sweep_s": round(sweep_s, 2),
        "busy_s": round(busy_s, 2),
        "overhead_s": round((sweep_s - busy_s) / (num_trials - 1), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_TRIALS} trials")
    arguments = parser.parse_args()
    num_trials = QUICK_TRIALS if arguments.quick else arguments.trials
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder / "data", seed=1, num_records=4, minutes=0.5, num_patients=12)
        built = measure(folder, "built", num_trials)
        replayed = measure(folder, "replayed", num_trials)
    result = {
        "trials": num_trials,
        "overhead_s": built.pop("overhead_s"),
        "replayed_s": replayed.pop("overhead_s"),
        "built": built,
        "replayed": replayed,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
