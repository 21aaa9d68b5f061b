"""Does hostile and clumsy input end in one clear sentence, or in what another program reads too?

    python -m benchmarks.fuzz [--cases 10000] [--seed 0] [--cohorts 100000]
    python -m benchmarks.fuzz --quick

Intact examples of configs, manifests, tables, WFDB, EDF and DICOM files, bundles and stage files are damaged
at random. Every case is read by us. The outcomes: `clear`, one sentence that names the place; `accepted`;
`traceback`; `hang`, more than 10 s of computing; `silent`, accepted with other samples, leads, rates, labels
or values than another program reads from the same file. Prints JSON with the counts and each failure.

`leakage` deals folds for random cohorts, in which recordings may occur twice in disguise: the counts of
cohorts with a patient, or a recording's content, on both sides of a fold must be 0. This takes about half an
hour for 10,000 cases and 100,000 cohorts on two CPU cores.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import psutil

from benchmarks.fuzzing.clinical_formats import clinical_kinds
from benchmarks.fuzzing.documents import document_kinds
from benchmarks.fuzzing.kinds import Kind
from benchmarks.fuzzing.leakage import leakage
from benchmarks.fuzzing.recordings import recording_kinds
from benchmarks.fuzzing.stored import stored_kinds
from benchmarks.provenance import provenance
from crtcore.errors import CrtError
from tests.damage import little_memory

HANG_CPU_S: Final = 10.0  # computed on one case: other work on the machine makes nothing hang
HANG_WALL_S: Final = 300.0  # or waited for it
MAX_SENTENCE: Final = 2000
READY: Final = "ready"
Outcome = Literal["clear", "accepted", "traceback", "hang", "silent"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One damaged input and what became of it; `detail` is the sentence, the traceback or the difference."""

    number: int
    kind: str
    outcome: Outcome
    detail: str


def all_kinds() -> tuple[Kind, ...]:
    """Every kind of input."""
    return (*recording_kinds(), *clinical_kinds(), *document_kinds(), *stored_kinds())


def run_case(number: int, seed: int, kinds: Sequence[Kind]) -> Case:
    """Damage one example of a random kind, read it, and compare what is accepted. The same numbers give the
    same case.
    """
    generator = np.random.default_rng((seed, number))
    share = np.array([kind.share for kind in kinds])
    kind = kinds[int(generator.choice(len(kinds), p=share / share.sum()))]
    with tempfile.TemporaryDirectory() as name:
        path = kind.write(Path(name))
        path.write_bytes(kind.damage(path.read_bytes(), generator))
        outcome, detail = _outcome(kind, path)
    return Case(number=number, kind=kind.name, outcome=outcome, detail=detail.replace(name, ""))


def _outcome(kind: Kind, path: Path) -> tuple[Outcome, str]:
    try:
        found = kind.read(path)
    except CrtError as error:
        sentence = str(error)
        one_line = "\n" not in sentence and len(sentence) <= MAX_SENTENCE
        return ("clear" if one_line else "traceback"), sentence
    except Exception:  # noqa: BLE001 - any of them is a defect, which is what is counted
        return "traceback", traceback.format_exc()
    try:
        difference = kind.disagreement(path, found)
    except Exception as error:  # noqa: BLE001 - the other program refuses what we accepted
        difference = f"the other program fails: {type(error).__name__}: {error}"
    return ("accepted", "") if difference is None else ("silent", difference)


def fuzz(num_cases: int, seed: int) -> list[Case]:
    """All cases, in a process that is replaced when one hangs."""
    cases: list[Case] = []
    while len(cases) < num_cases:
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.get_context("spawn").Process(
            target=_work, args=(theirs, len(cases), num_cases, seed), daemon=True
        )
        worker.start()
        theirs.close()
        assert ours.recv() == READY, "an intact example could not be read"
        while len(cases) < num_cases:
            outcome: Outcome = "hang"
            try:
                if _answers(ours, psutil.Process(worker.pid)):
                    cases.append(ours.recv())
                    continue
            except (EOFError, psutil.NoSuchProcess):
                outcome = "traceback"
            cases.append(Case(number=len(cases), kind="?", outcome=outcome, detail="the process ended"))
            break
        worker.kill()
        worker.join()
    return cases


def _answers(connection: Connection, worker: psutil.Process) -> bool:
    """Wait for the next case; False if the worker computes or waits too long."""
    start_s, start_cpu_s = time.monotonic(), sum(worker.cpu_times()[:2])
    while not connection.poll(1.0):
        if sum(worker.cpu_times()[:2]) - start_cpu_s > HANG_CPU_S or time.monotonic() - start_s > HANG_WALL_S:
            return False
    return True


def _work(connection: Connection, first: int, last: int, seed: int) -> None:
    warnings.simplefilter("ignore")
    kinds = all_kinds()
    for kind in kinds:  # imports, and whatever is made once
        with tempfile.TemporaryDirectory() as name:
            path = kind.write(Path(name))
            difference = kind.disagreement(path, kind.read(path))
            assert difference is None, f"an intact {kind.name} differs: {difference}"
    connection.send(READY)
    with little_memory():
        for number in range(first, last):
            connection.send(run_case(number, seed, kinds))


def summary(cases: Sequence[Case]) -> dict[str, Any]:
    """Counts by outcome, by kind, and all failures."""
    failures = [case for case in cases if case.outcome in ("traceback", "hang", "silent")]
    outcomes = Counter[str]({"clear": 0, "accepted": 0, "traceback": 0, "hang": 0, "silent": 0})
    outcomes.update(case.outcome for case in cases)
    kinds = sorted({case.kind for case in cases})
    return {
        **outcomes,
        "by_kind": {
            kind: dict(Counter(case.outcome for case in cases if case.kind == kind)) for kind in kinds
        },
        "failures": [
            {"case": case.number, "kind": case.kind, "outcome": case.outcome, "detail": case.detail[-1500:]}
            for case in failures
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cohorts", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="300 cases, 100 cohorts: under a minute")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.cases, arguments.cohorts = 300, 100
    start_s = time.monotonic()
    result: dict[str, Any] = provenance("fuzz") | {"cases": arguments.cases, "seed": arguments.seed}
    result |= summary(fuzz(arguments.cases, arguments.seed))
    result["leakage"] = leakage(arguments.cohorts, arguments.seed)
    result["seconds"] = round(time.monotonic() - start_s)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
