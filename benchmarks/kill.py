"""Does a sweep survive if any of its processes is killed at any moment? Real sweeps on Ray with two nodes.

    python -m benchmarks.kill [--rounds 20] [--seed 0] [--mode grid|tpe] [--quick]

Each round starts `crtsearch sweep` on a cluster of two nodes (two raylets on this machine, one trial each).
At a random moment, it kills one process with SIGKILL: the driver, a trial process, or the second node's
raylet. Then it repeats the same command until it succeeds, and checks the study and the stages:

    lost        trials of the sweep that are not finished at the end
    duplicated  finetune stages that were committed twice, or computed by two trials (a repeated proposal does
                not count: it reads the stored stage)
    orphans     trials that stay RUNNING
    identical   rounds with the same ranking as the undisturbed sweep (in mode grid only: it has no pruning,
                and proposals do not depend on timing)
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import yaml
from ray.cluster_utils import Cluster

from crtcore.simulation.write import simulate
from search.study.study import open_study

VICTIMS: Final = ("driver", "trial", "node")
MAX_COMMANDS: Final = 6  # per round; with more, the sweep does not end
COMMAND_TIMEOUT_S: Final = 240.0
OBJECT_STORE_BYTES: Final = 100 << 20
NAME: Final = "killed"


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


class TwoNodes:
    """A Ray cluster of a head and a second node, each with room for one trial."""

    def __init__(self) -> None:
        self._cluster = Cluster()
        self._head = self._cluster.add_node(
            num_cpus=1, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES
        )
        self.add_second()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_second(self) -> None:
        self._second = self._cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)

    def kill_second(self) -> None:
        self._cluster.remove_node(self._second, allow_graceful=False)

    def trial_processes(self) -> list[int]:
        """The processes of both nodes that run a trial."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in (self._head, self._second)}
        return [pid for pid, parent, title in processes() if parent in raylets and "Trainable" in title]

    def shutdown(self) -> None:
        self._cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API


def processes() -> Iterator[tuple[int, int, str]]:
    """The pid, parent pid and title of all processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_text(errors="replace")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process has ended
        yield int(folder.name), parent, title


def start(config: Path, storage: Path, address: str) -> subprocess.Popen[str]:
    arguments = ["sweep", str(config), "--address", address, "--set", f"storage={storage}"]
    return subprocess.Popen(
        [sys.executable, "-c", "from search.cli.main import main; main()", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def commits(storage: Path) -> dict[str, int]:
    """The time at which each finetune stage was committed, in ns, by digest."""
    manifests = storage.glob("stages/finetune/[0-9a-f]*/manifest.json")
    return {manifest.parent.name: manifest.stat().st_mtime_ns for manifest in manifests}


def kill_one(victim: str, driver: subprocess.Popen[str], nodes: TwoNodes) -> bool:
    """Kill the victim; wait for a trial process if there is none. False if the sweep ended before."""
    if victim == "nobody":
        return False
    if victim == "driver":
        driver.send_signal(signal.SIGKILL)
        return True
    if victim == "node":
        nodes.kill_second()
        return True
    while not (found := nodes.trial_processes()) and driver.poll() is None:
        time.sleep(0.1)
    if found:
        os.kill(found[0], signal.SIGKILL)
    return bool(found)


def ranking(storage: Path) -> list[tuple[Any, ...]]:
    trials = open_study(str(storage), NAME, create=False).get_trials(deepcopy=False)
    rows = [(trial.state.name, trial.value, sorted(trial.params.items())) for trial in trials]
    return sorted(rows, key=lambda row: (row[0], -(row[1] or 0.0), row[2]))


def run_round(config: Path, storage: Path, nodes: TwoNodes, victim: str, after_s: float) -> dict[str, Any]:
    driver = start(config, storage, nodes.address)
    with suppress(subprocess.TimeoutExpired):
        driver.wait(after_s)
    killed = driver.poll() is None and kill_one(victim, driver, nodes)
    before = commits(storage)
    num_commands = 1
    errors: list[str] = []
    while True:
        _, error = driver.communicate(timeout=COMMAND_TIMEOUT_S)
        if driver.returncode == 0:
            break
        errors.append(f"{driver.returncode}: {error.strip().splitlines()[-1] if error.strip() else ''}")
        if num_commands == MAX_COMMANDS:
            break
        if killed and victim == "node":
            nodes.add_second()
            killed = False
        driver = start(config, storage, nodes.address)
        num_commands += 1
    if killed and victim == "node":
        nodes.add_second()
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
    return {
        "victim": victim,
        "after_s": round(after_s, 2),
        "killed": killed or bool(errors),
        "num_commands": num_commands,
        "errors": errors,
        "lost": wanted - len(finished) + states[optuna.trial.TrialState.FAIL],
        "duplicated": sum(after.get(digest) != moment for digest, moment in before.items())
        + sum(number - 1 for number in computed.values()),
        "orphans": states[optuna.trial.TrialState.RUNNING],
        "ranking": ranking(storage),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mode", choices=["grid", "tpe"], default="grid")
    parser.add_argument("--quick", action="store_true", help="three rounds, one of each victim")
    arguments = parser.parse_args()
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
            for number in range(3 if arguments.quick else arguments.rounds):
                victim = VICTIMS[number % len(VICTIMS)]
                after_s = float(rng.uniform(0.15, 1.0)) * length_s
                rounds.append(run_round(config, folder / f"round-{number}", nodes, victim, after_s))
                print(json.dumps({k: v for k, v in rounds[-1].items() if k != "ranking"}), file=sys.stderr)
        finally:
            nodes.shutdown()
    result = {
        "mode": arguments.mode,
        "rounds": len(rounds),
        "undisturbed_s": round(length_s, 1),
        "killed": {
            victim: sum(each["killed"] for each in rounds if each["victim"] == victim) for victim in VICTIMS
        },
        "lost": sum(each["lost"] for each in rounds),
        "duplicated": sum(each["duplicated"] for each in rounds),
        "orphans": sum(each["orphans"] for each in rounds),
    }
    if arguments.mode == "grid":
        result["identical"] = sum(each["ranking"] == undisturbed["ranking"] for each in rounds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
