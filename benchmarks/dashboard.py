"""How fast a large study opens, and what its pictures cost the sweep.

    python -m benchmarks.dashboard [--trials 1000] [--quick]

The study has many complete trials with learning curves, stages and artifacts, as a sweep writes them. Only
the scores are random.

    best_s              wall seconds of `crtsearch best`
    dashboard           wall seconds until `crtsearch dashboard` prints its address, and until the first and
                        the second answer about the study
    link_ms, events_ms  the driver's time per trial for the links of artifacts and for TensorBoard points
    draw_ms             the driver's time per trial if it drew the artifacts itself
"""

import argparse
import dataclasses
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport, encode_history
from crtcore.training.finetuning.cross_validation import fold_metric
from crtcore.training.finetuning.predictions import OutOfFold, encode_out_of_fold
from search.dashboard.artifacts import KINDS, ArtifactLinks, artifact_links
from search.dashboard.tensorboard import EventFiles
from search.dashboard.trial_figures import draw
from search.study.study import open_study
from search.study.update import TrialUpdate

NAME: Final = "large"
NUM_PATIENTS: Final = 71
NUM_EPOCHS: Final = 10
METRICS: Final = {"auc": 0.6, "auc_sd": 0.1, "loss": 0.5} | {
    fold_metric(0, number): 0.4 + number / 10 for number in range(5)
}
MAIN: Final = "from search.cli.main import main; main()"


def commit_trial(store: StageStore, number: int) -> Stage:
    """The last stage of a trial, with random scores of 46 and 25 patients as in the paper."""
    generator = np.random.default_rng(number)
    label = np.array([1] * 46 + [0] * 25)
    score = 1 / (1 + np.exp(-(generator.normal(size=NUM_PATIENTS) + 0.5 * label)))
    stage = Stage(name="finetune", config={"number": number}, inputs=(), version=1)
    found = OutOfFold(
        id_P=np.array([f"P{patient:03}" for patient in range(NUM_PATIENTS)]),
        label_P=label,
        fold_RP=np.arange(NUM_PATIENTS)[None] % 5,
        score_RP=score[None],
    )
    scores = encode_out_of_fold(found, num_beats_P=np.full(NUM_PATIENTS, 14), num_leads=4)
    reports = [
        EpochReport(
            stage="finetune",
            epoch=epoch,
            num_epochs=NUM_EPOCHS,
            metrics=METRICS | {"loss": 1 / epoch},
            num_images=1000,
            seconds=1.0,
        )
        for epoch in range(1, NUM_EPOCHS + 1)
    ]
    facts = {
        **dict.fromkeys(("auc", "pooled_auc", "accuracy", "sensitivity", "specificity"), 0.6),
        "auc_sd": 0.1,
        "num_patients": NUM_PATIENTS,
        "num_beats": 1000,
        "num_images": 4000,
        "seconds": 10.0,
    }
    files = {**scores, "history.json": json.dumps(encode_history(reports)).encode()}
    store.commit(stage, files, facts)
    return stage


def fill(study: optuna.Study, store: StageStore, num_trials: int) -> str:
    """Add complete trials to the study. Returns the stage digest of the last one."""
    generator = np.random.default_rng(0)
    for number in range(num_trials):
        digest = commit_trial(store, number).digest
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=0.6,
                params={"finetune.learning_rate": float(generator.uniform(1e-4, 1e-2))},
                distributions={"finetune.learning_rate": FloatDistribution(1e-4, 1e-2)},
                intermediate_values={epoch: 0.5 + epoch / 100 for epoch in range(1, NUM_EPOCHS + 1)},
                user_attrs={
                    "stages": {"pretrain": "0", "features": "0", "finetune": digest},
                    "seconds": 10.0,
                },
                system_attrs=artifact_links(digest),
            )
        )
    return digest


def sweep_costs(study: optuna.Study, store: StageStore, folder: Path) -> dict[str, float]:
    """Milliseconds of the driver per trial, for the links and for the TensorBoard points."""
    links, events = ArtifactLinks(study, store), EventFiles(folder)
    link_s, event_s = [], []
    template = study.trials[0]
    for number in range(len(study.trials), len(study.trials) + 20):
        digest = commit_trial(store, number).digest
        study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=template.params,
                distributions=template.distributions,
                user_attrs={"stages": {"finetune": digest}},
            )
        )
        for epoch in range(1, NUM_EPOCHS + 1):
            update = TrialUpdate(
                number=number,
                state="RUNNING",
                params={},
                stages={"finetune": digest},
                stage="finetune",
                epoch=epoch,
                num_epochs=NUM_EPOCHS,
                value=0.6,
                metrics=METRICS,
            )
            start_s = time.perf_counter()
            events.on_update(update)
            event_s.append(time.perf_counter() - start_s)
        start_s = time.perf_counter()
        links.on_update(update)
        link_s.append(time.perf_counter() - start_s)
        events.on_update(dataclasses.replace(update, state="COMPLETE"))  # closes the trial's file
    return {
        "link_ms": round(1e3 * statistics.median(link_s), 2),
        "events_ms": round(1e3 * statistics.median(event_s) * NUM_EPOCHS, 2),
    }


def timed(run: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    run()
    return round(time.perf_counter() - start_s, 2)


def crtsearch(*arguments: str) -> list[str]:
    return [sys.executable, "-c", MAIN, *arguments]


def served(command: list[str], url_of: Callable[[str], str], study_id: int) -> dict[str, float]:
    """Seconds to the first line of output, and to the first and the second answer about the study."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        start_s = time.perf_counter()
        line = server.stdout.readline()
        address = url_of(line)
        found = {"start_s": round(time.perf_counter() - start_s, 2)}
        browser.open(line.split()[1], timeout=120).close()  # sets the cookie that holds the token
        api = f"{address}/api/studies/{study_id}"
        try:
            for key in ("first_answer_s", "second_answer_s"):
                found[key] = timed(lambda: browser.open(api, timeout=120).read())
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=30)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="100 trials")
    arguments = parser.parse_args()
    num_trials = 100 if arguments.quick else arguments.trials
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        storage = str(folder / "storage")
        study = open_study(storage, NAME, create=True)
        store = StageStore(storage, cache=folder / "cache")
        digest = fill(study, store, num_trials)
        result: dict[str, Any] = {"num_trials": num_trials}
        best = crtsearch("best", NAME, "--storage", storage)
        result["best_s"] = timed(lambda: subprocess.run(best, check=True, capture_output=True))
        command = crtsearch("dashboard", NAME, "--port", "0", "--storage", storage)
        result["dashboard"] = served(command, lambda line: line.split()[1].partition("/dashboard")[0], 1)
        draw_s = [timed_draw(store, digest) for _ in range(5)]
        result["draw_ms"] = round(1e3 * statistics.median(draw_s), 1)
        result |= sweep_costs(study, store, folder / "tensorboard")
    print(json.dumps(result))


def timed_draw(store: StageStore, digest: str) -> float:
    start_s = time.perf_counter()
    for kind in KINDS:
        draw(store, digest, kind, ("non-responder", "responder"))
    return time.perf_counter() - start_s


if __name__ == "__main__":
    main()
