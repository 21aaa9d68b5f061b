"""Does a sweep survive whatever happens to it? Real sweeps on Ray with two nodes.

    python -m benchmarks.kill [--rounds 20] [--seed 0] [--mode grid|tpe] [--victims driver full_disk ...]
    [--quick]

Each round starts `crtsearch sweep` on a cluster of two nodes (two raylets on this machine, one trial each).
At a random moment, one thing happens (disturbances.py): SIGKILL to the driver, a trial process or the second
node's raylet; SIGTERM or SIGHUP to a driver with a Ray of its own; the disk is full or read-only until the
driver has ended. Then the same command is repeated until it succeeds, and the study and the stages are
checked:

    lost        trials of the sweep that are not finished at the end, or failed
    duplicated  finetune stages that were committed twice, or computed by two trials (a repeated proposal does
                not count: it reads the stored stage)
    orphans     trials that stay RUNNING
    leftover_processes
                processes that a driver left behind 20 s after its end
    identical   rounds with the same ranking as the undisturbed sweep (in mode grid only: it has no pruning,
                and proposals do not depend on timing)

The disks need root.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import yaml

from benchmarks.disturbances import (
    DISKS,
    DISTURBANCES,
    LOCAL,
    MARK,
    REPAIRS,
    Scene,
    TwoNodes,
    in_own_mounts,
    mount_disk,
    num_left,
    unmount,
)
from benchmarks.provenance import provenance
from crtcore.simulation.write import simulate
from search.study.study import open_study

MAX_COMMANDS: Final = 6  # per round; with more, the sweep does not end
COMMAND_TIMEOUT_S: Final = 600.0
PATIENCE_S: Final = 20.0  # for the processes of a driver that has ended
NAME: Final = "killed"
BAD: Final = ("lost", "duplicated", "orphans", "leftover_processes")  # all of them must be 0


def write_config(folder: Path, mode: str) -> Path:
    """Six trials (eight for tpe) with two pretrainings, on data that train in seconds."""
    space: dict[str, Any] = {
        "pretrain.learning_rate": [0.001, 0.003],
        "finetune.frozen_groups": [4, 5] if mode == "tpe" else [5],
        "finetune.learning_rate": [0.001, 0.003, 0.01],
    }
    config = {
        "name": NAME,
        "data": str(folder / "data"),
        "arrhythmia": {"database": "mitdb", "max_beats_per_record": 8},
        "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 2},
        "pretrain": {"epochs": 2, "batch_size": 32},
        "finetune": {"epochs": 3, "folds": 2, "batch_size": 16},
        "search": {
            "trials": 6 if mode == "grid" else 8,
            "sampler": mode,
            "scheduler": {"name": "none" if mode == "grid" else "asha", "grace_epochs": 1},
            "space": space,
        },
        "resources": {"trial": {"cpus": 1}, "max_failures": 3},
    }
    path = folder / f"{mode}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def start(config: Path, storage: Path, address: str | None, mark: str) -> subprocess.Popen[str]:
    arguments = ["sweep", str(config), "--set", f"storage={storage}"]
    if address is not None:
        arguments += ["--address", address]
    return subprocess.Popen(
        [sys.executable, "-c", "from search.cli.main import main; main()", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: mark},
    )


def commits(storage: Path) -> dict[str, int]:
    """The time at which each finetune stage was committed, in ns, by digest."""
    manifests = storage.glob("stages/finetune/[0-9a-f]*/manifest.json")
    return {manifest.parent.name: manifest.stat().st_mtime_ns for manifest in manifests}


def ranking(storage: Path) -> list[tuple[Any, ...]]:
    trials = open_study(str(storage), NAME, create=False).get_trials(deepcopy=False)
    rows = [(trial.state.name, trial.value, sorted(trial.params.items())) for trial in trials]
    return sorted(rows, key=lambda row: (row[0], -(row[1] or 0.0), row[2]))


def run_round(config: Path, storage: Path, nodes: TwoNodes, victim: str, after_s: float) -> dict[str, Any]:
    """Start a sweep, disturb it after `after_s` seconds, and repeat the command until it succeeds."""
    if victim == "full_disk":
        mount_disk(storage)
    mark = uuid.uuid4().hex
    driver = start(config, storage, None if victim in LOCAL else nodes.address, mark)
    scene = Scene(driver=driver, nodes=nodes, storage=storage)
    with suppress(subprocess.TimeoutExpired):
        driver.wait(after_s)
    disturbed = driver.poll() is None and victim in DISTURBANCES and DISTURBANCES[victim](scene)
    before = commits(storage)
    num_commands, left = 1, 0
    errors: list[str] = []
    while True:
        _, error = driver.communicate(timeout=COMMAND_TIMEOUT_S)
        left += num_left(mark, nodes, PATIENCE_S)
        if num_commands == 1 and disturbed and victim in REPAIRS:
            REPAIRS[victim](scene)
        if driver.returncode == 0:
            break
        errors.append(f"{driver.returncode}: {error.strip().splitlines()[-1] if error.strip() else ''}")
        if num_commands == MAX_COMMANDS:
            break
        mark = uuid.uuid4().hex
        driver = start(config, storage, nodes.address, mark)
        num_commands += 1
    after = commits(storage)
    trials = open_study(str(storage), NAME, create=False).get_trials(deepcopy=False)
    states = Counter(trial.state for trial in trials)
    finished = [trial for trial in trials if trial.state.is_finished()]
    wanted = yaml.safe_load(config.read_text())["search"]["trials"]
    computed = Counter(
        trial.user_attrs["stages"]["finetune"]
        for trial in trials
        if trial.state == optuna.trial.TrialState.COMPLETE and trial.user_attrs["images"]
    )
    result = {
        "victim": victim,
        "after_s": round(after_s, 2),
        "disturbed": disturbed,
        "num_commands": num_commands,
        "errors": errors,
        "lost": wanted - len(finished) + states[optuna.trial.TrialState.FAIL],
        "duplicated": sum(after.get(digest) != moment for digest, moment in before.items())
        + sum(number - 1 for number in computed.values()),
        "orphans": states[optuna.trial.TrialState.RUNNING],
        "leftover_processes": left,
        "ranking": ranking(storage),
    }
    if victim == "full_disk":
        unmount(storage)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mode", choices=["grid", "tpe"], default="grid")
    parser.add_argument("--victims", nargs="+", choices=list(DISTURBANCES), default=list(DISTURBANCES))
    parser.add_argument("--quick", action="store_true", help="one round of each victim")
    arguments = parser.parse_args()
    if set(arguments.victims) & set(DISKS):
        in_own_mounts()
    rng = np.random.default_rng(arguments.seed)
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder / "data", seed=1, num_records=4, minutes=0.5, num_patients=12)
        config = write_config(folder, arguments.mode)
        nodes = TwoNodes()
        try:
            begin_s = time.monotonic()
            undisturbed = run_round(config, folder / "undisturbed", nodes, "nobody", COMMAND_TIMEOUT_S)
            length_s = time.monotonic() - begin_s
            for number in range(len(arguments.victims) if arguments.quick else arguments.rounds):
                victim = arguments.victims[number % len(arguments.victims)]
                after_s = float(rng.uniform(0.15, 1.0)) * length_s
                rounds.append(run_round(config, folder / f"round-{number}", nodes, victim, after_s))
                print(json.dumps({k: v for k, v in rounds[-1].items() if k != "ranking"}), file=sys.stderr)
        finally:
            nodes.shutdown()
    result = {
        **provenance("kill"),
        "mode": arguments.mode,
        "rounds": len(rounds),
        "undisturbed_s": round(length_s, 1),
        "disturbed": {
            victim: sum(each["disturbed"] for each in rounds if each["victim"] == victim)
            for victim in arguments.victims
        },
        **{key: sum(each[key] for each in rounds) for key in BAD},
    }
    if arguments.mode == "grid":
        result["identical"] = sum(each["ranking"] == undisturbed["ranking"] for each in rounds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
