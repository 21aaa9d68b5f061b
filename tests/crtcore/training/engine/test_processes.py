import os
import signal
import time
from collections.abc import Iterator

import pytest

from crtcore.errors import DivergedError
from crtcore.training.engine.processes import Processes

LONG_S = 600.0  # longer than a test may take


class Counter:
    """An object that lives in another process."""

    def __init__(self, rank: int, step: int) -> None:
        self.rank = rank
        self.step = step
        self.total = 0

    def add(self, times: int) -> int:
        self.total += self.rank + self.step * times
        return self.total

    def pid(self) -> int:
        return os.getpid()

    def fail(self) -> None:
        """The second process raises; the first waits, as in a collective operation."""
        if self.rank == 1:
            raise DivergedError("the loss is no number")
        time.sleep(LONG_S)

    def die(self) -> None:
        if self.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(LONG_S)

    def lose_the_other(self) -> None:
        """The second process dies, and the first raises because of that."""
        if self.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)
        raise ConnectionError("closed by peer")


@pytest.fixture
def pair() -> Iterator[Processes]:
    processes = Processes(2, Counter, [10])
    yield processes
    pids = [process.pid for process in processes._processes]
    processes.stop(gently=False)
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_objects_live_on_between_calls_and_answer_by_rank(pair: Processes) -> None:
    assert pair.ask("add", 2) == [20, 21]
    assert pair.ask_first("add", 1) == 30
    assert pair.ask("add", 0) == [30, 22]
    assert len({*pair.ask("pid"), os.getpid()}) == 3


def test_an_error_keeps_its_type_and_names_its_process_though_others_wait(pair: Processes) -> None:
    with pytest.raises(DivergedError) as raised:
        pair.ask("fail")
    assert str(raised.value) == "the loss is no number"
    (note,) = raised.value.__notes__
    assert note.startswith("in process 1:\nTraceback")
    assert 'raise DivergedError("the loss is no number")' in note


@pytest.mark.parametrize("how", ["die", "lose_the_other"])
def test_a_dead_process_is_an_error_without_a_wait(pair: Processes, how: str) -> None:
    pair.ask("pid")  # both processes have started
    start_s = time.monotonic()
    with pytest.raises(RuntimeError, match=r"process 1 of 2 .* ended with exit code -9"):
        pair.ask(how)
    assert time.monotonic() - start_s < LONG_S / 10
    with pytest.raises(RuntimeError, match=r"process 1 of 2"):
        pair.ask("pid")


def test_processes_that_are_stopped_gently_exit_by_themselves() -> None:
    processes = Processes(1, Counter, [1])
    processes.ask("add", 1)
    processes.stop(gently=True)
    assert [process.exitcode for process in processes._processes] == [0]
