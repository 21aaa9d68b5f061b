"""What the correction sees of real sweeps with early stopping, and of older ones without epoch scores."""

import functools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.evaluation.draws import Draws
from crtcore.pipeline import open_store, plan, prepare, read_sources, run_trial
from crtcore.simulation.write import simulate
from crtcore.training.engine.device import use_device
from crtcore.training.engine.history import EpochReport
from search.results.leaderboard import Leaderboard, build_leaderboard
from search.results.search_replay import Seen
from search.scheduling.session import Session
from search.study.attributes import RANKS, REPORTS, ranks_of, reports_of
from search.study.config import keep_identity
from search.study.folder import sweep_dir
from search.study.study import open_study
from tests.search.sweep_here import run_here, sweep_here

SETTINGS = {
    "finetune.epochs": 4,
    "finetune.repeats": 2,
    "search.trials": 9,
    "search.sampler": "random",
    "search.scheduler.name": "asha",
    "search.scheduler.grace_epochs": 1,
    "search.scheduler.reduction_factor": 2,
    "search.space": {"finetune.learning_rate": {"low": 0.00001, "high": 0.01, "log": True}},
}


@pytest.fixture(scope="module")
def cohort_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated data with patients enough that the AUCs differ. Read only."""
    folder = tmp_path_factory.mktemp("cohort") / "data"
    simulate(folder, seed=3, num_records=2, minutes=0.5, num_patients=40)
    return folder


@pytest.fixture
def pruned(tiny: Experiment, cohort_dir: Path) -> Experiment:
    """A sweep of nine trials, not started."""
    return override(tiny, SETTINGS | {"data": str(cohort_dir)})


@pytest.fixture(scope="module")
def swept(cohort_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The sweep, run to its end. Read only."""
    folder = tmp_path_factory.mktemp("swept")
    experiment = Experiment.model_validate(
        {
            "name": "swept",
            "storage": str(folder / "storage"),
            "cache": folder / "cache",
            "data": cohort_dir,
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 8},
            "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 2},
            "pretrain": {"epochs": 1, "batch_size": 32},
            "finetune": {"folds": 2, "frozen_groups": 5, "batch_size": 16},
        }
    )
    experiment = override(experiment, SETTINGS)
    sweep_here(experiment)
    return experiment


def check_as_it_was(board: Leaderboard) -> None:
    """If each patient is drawn once, the replay stops the trials that were stopped and no other."""
    assert board.seen is not None and board.seen.replay is not None and board.predictions is not None
    label_P = board.predictions.label_P
    draws = Draws(
        label_P=label_P,
        positive_BP=np.ones((1, int((label_P == 1).sum()))),
        negative_BP=np.ones((1, int((label_P == 0).sum()))),
    )
    num_complete = len(board.predictions.numbers)
    candidate_C = board.seen.replay.candidates(draws, num_complete)[0]
    assert candidate_C.tolist() == [True] * num_complete + [False] * board.count("PRUNED")
    stopped = [row.number for row in board.rows if row.state == "PRUNED"]
    assert list(board.seen.replay.numbers) == sorted(stopped)


def test_a_sweep_s_early_stopping_is_replayed_with_all_its_trials(swept: Experiment) -> None:
    board = build_leaderboard(swept.storage, swept.name)
    assert board.count("PRUNED") > 2 and board.count("COMPLETE") > 1
    check_as_it_was(board)
    assert board.corrected is not None
    assert board.corrected.num_stopped == board.count("PRUNED")
    sentence = (
        f"The correction saw 9 trials: {board.count('COMPLETE')} complete trials and "
        f"{board.count('PRUNED')} that were stopped early. Each draw repeated the early stopping."
    )
    assert sentence in board.sentences()
    saw = json.loads(board.to_json())["correction_saw"]
    assert saw == {
        "complete": board.count("COMPLETE"),
        "stopped": board.count("PRUNED"),
        "unseen": 0,
        "sentence": sentence,
    }


def test_it_is_the_same_after_a_driver_was_killed(pruned: Experiment) -> None:
    """The first driver dies with two trials running, and writes nothing of that."""
    sources, store = read_sources(pruned), open_store(pruned)
    study = open_study(pruned.storage, pruned.name, create=True)
    keep_identity(study, sweep_dir(pruned.storage, pruned.name), pruned, plan(pruned, sources))

    def session() -> Session:
        return Session(
            open_study(pruned.storage, pruned.name, create=True),
            pruned,
            store=store,
            plan_of=functools.partial(plan, sources=sources),
            prepare=functools.partial(prepare, store),
        )

    first = session()
    running: list[Iterator[EpochReport]] = []
    while len(running) < 2:
        proposal = first.next(2)
        assert proposal is not None
        trial = run_trial(
            store, proposal.experiment, plan(proposal.experiment, sources), use_device(pruned.resources.trial)
        )
        for report in trial:
            if not first.report(proposal.number, report, node="here"):
                break
            if report.stage == "finetune" and report.epoch == 1:
                running.append(trial)
                break
    known = [reports_of(found) for found in first.study.get_trials()]
    assert any(known)
    second = session()
    run_here(second, pruned, sources)
    second.close()
    trials = open_study(pruned.storage, pruned.name, create=False).trials
    for before, ended in zip(known, trials, strict=False):
        assert reports_of(ended)[: len(before)] == before
    places = [place for ended in trials for _, place in reports_of(ended)]
    assert sorted(places) == list(range(len(places)))
    assert len(places) > sum(len(ended.intermediate_values) for ended in trials)  # two are judged again
    for ended in trials:
        assert {epoch for epoch, _ in reports_of(ended)} == ended.intermediate_values.keys()
        if ended.state == TrialState.PRUNED:
            assert ranks_of(ended).keys() == ended.intermediate_values.keys()
    check_as_it_was(build_leaderboard(pruned.storage, pruned.name))


def forget(experiment: Experiment, names: tuple[str, ...], *, numbers: set[int], folder: Path) -> str:
    """A copy of a sweep whose trials `numbers` lack some system attributes, as those of an older version."""
    storage = folder / "copy"
    shutil.copytree(experiment.storage, storage)
    study = open_study(str(storage), experiment.name, create=False)
    trials, user_attrs = study.get_trials(), dict(study.user_attrs)
    optuna.delete_study(study_name=study.study_name, storage=study._storage)
    again = optuna.create_study(storage=study._storage, study_name=study.study_name, direction="maximize")
    for name, value in user_attrs.items():
        again.set_user_attr(name, value)
    for trial in trials:
        if trial.number in numbers:
            trial.system_attrs = {key: each for key, each in trial.system_attrs.items() if key not in names}
        again.add_trial(trial)
    return str(storage)


def test_a_sweep_without_epoch_scores_is_corrected_for_its_complete_trials_and_says_so(
    swept: Experiment, tmp_path: Path
) -> None:
    older = forget(swept, (REPORTS, RANKS), numbers=set(range(9)), folder=tmp_path)
    board = build_leaderboard(older, swept.name)
    assert board.seen is not None and board.seen.replay is None and board.corrected is not None
    assert board.corrected.num_stopped == 0
    assert (
        f"not the {board.count('PRUNED')} trials stopped early, of which no epoch scores were kept"
        in board.seen.sentence()
    )


def test_a_stopped_trial_without_epoch_scores_is_counted_as_unseen(swept: Experiment, tmp_path: Path) -> None:
    stopped = [
        row.number for row in build_leaderboard(swept.storage, swept.name).rows if row.state == "PRUNED"
    ]
    mixed = forget(swept, (RANKS,), numbers={stopped[0]}, folder=tmp_path)
    board = build_leaderboard(mixed, swept.name)
    assert board.seen is not None and board.seen.replay is not None
    assert (board.seen.num_stopped, board.seen.num_unseen) == (len(stopped) - 1, 1)
    assert "It did not see 1 trial stopped early without epoch scores." in board.seen.sentence()


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (
            Seen(num_complete=1, num_stopped=0, num_unseen=0),
            "The correction saw the only complete trial; none was stopped early.",
        ),
        (
            Seen(num_complete=1, num_stopped=2, num_unseen=0),
            (
                "The correction saw 3 trials: 1 complete trial and 2 that were stopped early. Each draw "
                "repeated the early stopping. With one complete trial there is no difference between trials "
                "to learn from: the later scores of stopped trials are copied from it, so the corrected AUC "
                "may be too high."
            ),
        ),
        (
            Seen(num_complete=67, num_stopped=0, num_unseen=133),
            (
                "The correction saw 67 complete trials and not the 133 trials stopped early, of which no "
                "epoch scores were kept, so the corrected AUC may be too high."
            ),
        ),
    ],
)
def test_sentences(seen: Seen, sentence: str) -> None:
    assert seen.sentence() == sentence
    assert seen.as_json()["sentence"] == sentence


def test_the_stages_of_a_sweep_are_those_of_before(pruned: Experiment, tmp_path: Path) -> None:
    """Epoch scores are an output. They are no part of what names a stage."""
    sources = read_sources(pruned)
    assert "ranks" not in json.dumps(dict(plan(pruned, sources).finetune.config))
