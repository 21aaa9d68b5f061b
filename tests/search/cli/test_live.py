"""What a running sweep shows on a terminal and writes to a log."""

import io
from typing import Any

from rich.console import Console

from search.cli.live import LiveView
from search.study.update import State, TrialUpdate

PARAMETERS = ("pretrain.depth", "finetune.frozen_groups", "finetune.learning_rate", "finetune.batch_size")


def update(number: int, state: State = "RUNNING", **fields: Any) -> TrialUpdate:
    values: dict[str, Any] = {
        "params": {"pretrain.depth": 18, "finetune.frozen_groups": 4, "finetune.learning_rate": 0.001},
        "stage": "finetune",
        "epoch": 3,
        "num_epochs": 10,
        "value": None,
        "metrics": {},
        "seconds": 1.0,
        "message": "",
    }
    return TrialUpdate(number=number, state=state, **(values | fields))


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, height=60, color_system=None)


def written(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def drawn(view: LiveView) -> str:
    paper = console(terminal=False)
    paper.print(view.render())
    return written(paper)


def test_without_a_terminal_each_event_is_one_line() -> None:
    log = console(terminal=False)
    with LiveView(log, parameters=PARAMETERS, num_trials=2) as view:
        view.on_update(update(0, value=0.61234))
        view.on_update(update(1, stage="pretrain", epoch=1, num_epochs=3))
        view.on_update(update(0, "COMPLETE", epoch=10, value=0.7))
        view.on_update(update(1, "FAIL", stage="pretrain", message="loss [nan] is not finite"))
    assert written(log).splitlines() == [
        "trial 0 running finetune epoch 3/10 AUC 0.612",
        "trial 1 running pretrain epoch 1/3",
        "trial 0 complete finetune epoch 10/10 AUC 0.700",
        "trials: 1 of 2",
        "trial 1 fail pretrain epoch 3/10 (loss [nan] is not finite)",
        "trials: 2 of 2",
    ]


def test_a_trial_of_an_earlier_run_shows_its_last_epoch() -> None:
    log = console(terminal=False)
    with LiveView(log) as view:
        view.on_update(update(0, "WAITING", stage=None, epoch=0, num_epochs=0))
        view.on_update(update(1, "PRUNED", epoch=2, num_epochs=0, value=0.4))
    assert written(log).splitlines() == ["trial 0 waiting", "trial 1 pruned finetune epoch 2 AUC 0.400"]


def test_without_a_terminal_progress_is_one_line_per_tenth() -> None:
    log = console(terminal=False)
    with LiveView(log) as view:
        for done in range(201):
            view.on_progress("prepare cohort", done, 200)
    lines = written(log).splitlines()
    assert len(lines) == 11
    assert lines[0] == "prepare cohort: 0 of 200"
    assert lines[-1] == "prepare cohort: 200 of 200"


def test_a_log_says_the_time_left_of_a_step_that_takes_longer_than_two_seconds() -> None:
    log, now_s = console(terminal=False), 0.0
    with LiveView(log, clock_s=lambda: now_s) as view:
        for now_s, done in ((0.0, 10), (1.0, 20), (5.0, 60), (40.0, 70), (45.0, 100)):  # noqa: B007
            view.on_progress("prepare cohort", done, 100)  # ten were there before
    assert written(log).splitlines() == [
        "prepare cohort: 10 of 100",
        "prepare cohort: 20 of 100",
        "prepare cohort: 60 of 100, 0:00:04 left",
        "prepare cohort: 70 of 100, 0:00:20 left",
        "prepare cohort: 100 of 100",
    ]


def test_the_time_left_counts_all_that_was_done_however_long_ago() -> None:
    now_s = 0.0
    view = LiveView(console(terminal=True), num_trials=200, clock_s=lambda: now_s)
    view.on_progress("trials", 0, 200)
    now_s = 600.0
    view.on_progress("trials", 20, 200)
    assert "0:10:00 1:30:00" in drawn(view)
    now_s = 86400.0
    view.on_progress("trials", 21, 200)
    assert "204:34:18" in drawn(view)  # 21 trials a day


def test_a_step_with_nothing_to_do_is_finished_at_once() -> None:
    log = console(terminal=False)
    with LiveView(log) as view:
        view.on_progress("prepare cohort", 0, 0)
    assert written(log) == "prepare cohort: 0 of 0\n"


def test_of_two_hundred_trials_the_running_and_the_ten_best_are_shown() -> None:
    view = LiveView(console(terminal=True), parameters=PARAMETERS, num_trials=200)
    for number in range(200):
        view.on_update(update(number))
        if number < 150:
            view.on_update(update(number, "COMPLETE", value=0.5 + number / 1000))
        elif number < 190:
            view.on_update(update(number, "PRUNED", value=0.4))
    text = drawn(view)
    first_words = [line.split()[0] for line in text.splitlines()[:-2]]
    shown = [int(word) for word in first_words if word.isdigit()]
    assert shown == [*range(190, 200), *range(149, 139, -1)]
    assert "150 complete, 40 pruned, 10 running, 0 waiting, 0 fail" in text
    assert "190/200" in text
    assert len(text.splitlines()) < 40


def test_the_table_names_parameters_stage_epoch_and_auc() -> None:
    view = LiveView(console(terminal=True), parameters=PARAMETERS, num_trials=5)
    view.on_progress("prepare arrhythmia", 3, 48)
    view.on_update(update(7, value=0.6543))
    text = drawn(view)
    header, first = text.splitlines()[:2]
    assert header.split() == ["trial", "state", "depth", "frozen", "lr", "batch", "stage", "epoch", "AUC"]
    assert first.split() == ["7", "running", "18", "4", "0.001", "finetune", "3/10", "0.654"]
    assert "prepare arrhythmia" in text
    assert "3/48" in text


def test_on_a_terminal_the_last_view_stays() -> None:
    screen = console(terminal=True)
    with LiveView(screen, parameters=PARAMETERS, num_trials=1) as view:
        view.on_update(update(0, "COMPLETE", value=0.7777, epoch=10))
    assert "0.778" in written(screen)
    assert "1/1" in written(screen)
