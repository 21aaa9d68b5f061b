"""The same 24 configurations, searched by us and by a plain Tune + OptunaSearch script, on two slots.

    python -m benchmarks.sweep_vs_tune [--quick] [--only paper|heavy]

The sweep has three pretrainings times eight fine-tunings (frozen groups 2 to 5, two learning rates), with
ASHA in both arms, on simulated data. The cost of pretraining to fine-tuning is 1.3 : 1 (`paper`, as with the
paper's settings) or 10 : 1 (`heavy`). A probe measures both costs, and the number of pretraining images is
set by it.

    sharing_ratio_*      seconds computed by black-box trials with our training code, divided by ours: what
                         sharing saves. `score_difference` is the largest difference in AUC between
                         configurations that both arms ran to the end.
    total_ratio_paper    seconds computed by black-box trials with a user's own loop, divided by ours.
                         `wall_ratio` is the same for the wall time of the whole sweeps, which includes the
                         time our trials take to save checkpoints (the user's trials save nothing).
    epochs               all epochs of fine-tuning in an arm. ASHA depends on the order in which trials
                         report, so the arms may stop different trials.
    efficiency           seconds computed / (slots x time from our first trial's start to the last one's end).
                         The rest is the start of two processes, reading, and saving checkpoints.

`formula` is T (tp + tf) / (P tp + T tf), which includes only the shared pretrainings: T trials, P different
pretrainings, and seconds tp and tf measured in the black-box trials with our code. `extrapolation` is the
sharing ratio for T = 200 and P = 12, with the measured cost of fine-tuning on stored features.
"""

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.plain_tune import Trainer, run_plain, train_as_a_user, train_as_ours
from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import Sources
from crtcore.pipeline import open_store, plan, prepare, read_sources, run_trial
from crtcore.simulation.write import simulate
from crtcore.training.engine.device import use_device
from search.study.update import TrialUpdate
from search.sweep.run import run_sweep

NUM_SLOTS: Final = 2
PROPORTIONS: Final = {"paper": 1.3, "heavy": 10.0}
NUM_PATIENTS: Final = {"paper": 71, "heavy": 16}  # as in the paper; and few enough for minutes
QUICK_NUM_PATIENTS: Final = 16
SPACE: Final[dict[str, list[Any]]] = {
    "pretrain.learning_rate": [0.001, 0.002, 0.003],
    "finetune.frozen_groups": [2, 3, 4, 5],
    "finetune.learning_rate": [0.0005, 0.002],
}
QUICK_SPACE: Final[dict[str, list[Any]]] = {
    "pretrain.learning_rate": [0.001, 0.003],
    "finetune.frozen_groups": [4, 5],
    "finetune.learning_rate": [0.0005, 0.002],
}
MOST_BEATS: Final = 400  # per record; a part of them is used


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One sweep: what its trials computed, how long it took, and its final scores by configuration."""

    computed_s: float
    wall_s: float
    epochs: int
    scores: dict[tuple[Any, ...], float]
    efficiency: float | None = None


def base(folder: Path, space: dict[str, list[Any]]) -> Experiment:
    num_trials = len(list(itertools.product(*space.values())))
    return Experiment.model_validate(
        {
            "name": "shared",
            "storage": str(folder / "storage"),
            "cache": folder / "cache",
            "data": folder / "data",
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 40},
            "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 2},
            "pretrain": {"epochs": 1, "batch_size": 64},
            "finetune": {"epochs": 3, "folds": 5, "batch_size": 32},
            "search": {
                "trials": num_trials,
                "sampler": "grid",
                "scheduler": {"name": "asha", "grace_epochs": 1, "reduction_factor": 3},
                "space": space,
            },
        }
    )


def in_proportion(experiment: Experiment, proportion: float) -> tuple[Experiment, dict[str, float]]:
    """The experiment with the number of pretraining beats that gives this proportion of costs, and the costs.

    The costs come from one probe trial for each number of frozen groups, without stored features.
    """
    sources = read_sources(experiment)
    prepare(open_store(experiment), plan(experiment, sources))
    finetune_s, pretrain_s = [], 0.0
    for frozen in space_of(experiment)["finetune.frozen_groups"]:
        probe = override(experiment, {"finetune.frozen_groups": frozen})
        reports = list(train_as_ours(probe, sources))
        per_epoch_s = (reports[-1].seconds - reports[0].seconds) / (len(reports) - 1)
        finetune_s.append(per_epoch_s * len(reports))
        pretrain_s = reports[0].seconds - per_epoch_s
    wanted = proportion * sum(finetune_s) / len(finetune_s) / pretrain_s
    num_beats = max(1, round(experiment.arrhythmia.max_beats_per_record * wanted))  # type: ignore[operator]
    epochs = -(-num_beats // MOST_BEATS)
    scaled = override(
        experiment,
        {"arrhythmia.max_beats_per_record": -(-num_beats // epochs), "pretrain.epochs": epochs},
    )
    return scaled, {"tp": pretrain_s * wanted, "tf": sum(finetune_s) / len(finetune_s)}


def space_of(experiment: Experiment) -> dict[str, tuple[Any, ...]]:
    """The searched keys and their choices."""
    return {name: tuple(values) for name, values in experiment.search.space.items()}


def configurations(experiment: Experiment) -> list[dict[str, Any]]:
    space = space_of(experiment)
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


def run_shared(experiment: Experiment) -> Arm:
    busy: list[float] = []  # times of the first start and of each end

    def on_update(update: TrialUpdate) -> None:
        if update.state in ("COMPLETE", "PRUNED") or (update.state == "RUNNING" and not busy):
            busy.append(time.monotonic())

    start_s = time.monotonic()
    leaderboard = run_sweep(experiment, on_update=on_update)
    wall_s = time.monotonic() - start_s
    computed_s = sum(row.seconds or 0.0 for row in leaderboard.rows)
    return Arm(
        computed_s=computed_s,
        wall_s=wall_s,
        epochs=sum(row.num_epochs for row in leaderboard.rows),
        scores={key(row.params): row.auc for row in leaderboard.rows if row.auc is not None},
        efficiency=computed_s / (NUM_SLOTS * (busy[-1] - busy[0])),
    )


def run_black_box(experiment: Experiment, sources: Sources, trainer: Trainer) -> Arm:
    start_s = time.monotonic()
    rows = run_plain(experiment, sources, configurations(experiment), trainer, num_slots=NUM_SLOTS)
    return Arm(
        computed_s=sum(row["seconds"] for row in rows),
        wall_s=time.monotonic() - start_s,
        epochs=sum(row["epochs"] for row in rows),
        scores={
            key(row["params"]): row["auc"] for row in rows if row["epochs"] == experiment.finetune.epochs
        },
    )


def key(params: Any) -> tuple[Any, ...]:
    return tuple(sorted(params.items()))


def compare(experiment: Experiment, proportion: float, *, with_user: bool) -> dict[str, Any]:
    scaled, cost_s = in_proportion(experiment, proportion)
    sources = read_sources(scaled)
    prepare(open_store(scaled), plan(scaled, sources))  # data are not part of the comparison
    # One trial before any arm, so that no arm pays for the first imports.
    other = override(scaled, {"seed": 1})
    list(run_trial(open_store(scaled), other, plan(other, sources), use_device(scaled.resources.trial)))
    ours = run_shared(scaled)
    same_mode = run_black_box(scaled, sources, train_as_ours)
    both = ours.scores.keys() & same_mode.scores.keys()
    num_trials, num_pretrainings = scaled.search.trials, len(space_of(scaled)["pretrain.learning_rate"])
    tp, tf = cost_s["tp"], cost_s["tf"]
    result: dict[str, Any] = {
        "computed_s": {"ours": round(ours.computed_s, 1), "same_mode": round(same_mode.computed_s, 1)},
        "wall_s": {"ours": round(ours.wall_s, 1), "same_mode": round(same_mode.wall_s, 1)},
        "epochs": {"ours": ours.epochs, "same_mode": same_mode.epochs},
        "sharing_ratio": round(same_mode.computed_s / ours.computed_s, 2),
        "score_difference": max(abs(ours.scores[each] - same_mode.scores[each]) for each in both),
        "num_compared": len(both),
        "efficiency": round(ours.efficiency or 0.0, 3),
        "tp_s": round(tp, 2),
        "tf_s": round(tf, 2),
        "formula": round(num_trials * (tp + tf) / (num_pretrainings * tp + num_trials * tf), 2),
    }
    shared_tf = max(0.0, ours.computed_s - num_pretrainings * tp) / num_trials
    result["extrapolation"] = round(200 * (tp + tf) / (12 * tp + 200 * shared_tf), 1)
    if with_user:
        user = run_black_box(scaled, sources, train_as_a_user)
        result["computed_s"]["user"] = round(user.computed_s, 1)
        result["wall_s"]["user"] = round(user.wall_s, 1)
        result["epochs"]["user"] = user.epochs
        result["engine_ratio"] = round(user.computed_s / same_mode.computed_s, 2)
        result["total_ratio"] = round(user.computed_s / ours.computed_s, 2)
        result["wall_ratio"] = round(user.wall_s / ours.wall_s, 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 trials with 2 pretrainings")
    parser.add_argument("--only", choices=sorted(PROPORTIONS))
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(PROPORTIONS)
    parts = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            num_patients = QUICK_NUM_PATIENTS if arguments.quick else NUM_PATIENTS[name]
            simulate(Path(folder, "data"), seed=1, num_records=8, minutes=5.0, num_patients=num_patients)
            experiment = base(Path(folder), QUICK_SPACE if arguments.quick else SPACE)
            parts[name] = compare(experiment, PROPORTIONS[name], with_user=name == "paper")
    result: dict[str, Any] = {f"sharing_ratio_{name}": part["sharing_ratio"] for name, part in parts.items()}
    if "paper" in parts:
        paper = parts["paper"]
        result |= {
            "total_ratio_paper": paper["total_ratio"],
            "wall_ratio_paper": paper["wall_ratio"],
            "efficiency": paper["efficiency"],
        }
    print(json.dumps(result | {"parts": parts}))


if __name__ == "__main__":
    main()
