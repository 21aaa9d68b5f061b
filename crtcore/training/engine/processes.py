"""Processes on this node that answer the same call together.

An error in one of them is raised in the caller, and so is the death of one.
"""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Final

STOP_TIMEOUT_S: Final = 30.0
REAPING_S: Final = 0.5  # a process is seen as ended a little later than its connection
Make = Callable[..., object]


class Processes:
    """`num` processes, each with its own object `make(rank, *arguments)`. All of these must be picklable.

    They are started with `spawn`, because CUDA does not work after a fork. They end with `stop`, or when this
    process ends in any way.
    """

    def __init__(self, num: int, make: Make, arguments: Sequence[object]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        self._processes = []
        for rank in range(num):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make, rank, *arguments), daemon=True)
            process.start()
            theirs.close()  # or this process would not see that the other end is closed
            self._connections.append(ours)
            self._processes.append(process)

    def ask(self, method: str, *arguments: object) -> list[Any]:
        """Call `method` in all processes. Returns their answers by rank.

        Raises the first error that a process raised, and RuntimeError if a process ends without an answer.
        """
        return self._ask(range(len(self._processes)), method, arguments)

    def ask_first(self, method: str, *arguments: object) -> Any:
        """Call `method` in the first process only. Raises as `ask` does."""
        return self._ask(range(1), method, arguments)[0]

    def _ask(self, ranks: range, method: str, arguments: tuple[object, ...]) -> list[Any]:
        for rank in ranks:
            try:
                self._connections[rank].send((method, arguments))
            except ConnectionError as error:
                raise self._died(rank) from error
        rank_of = {self._connections[rank]: rank for rank in ranks}
        answers: dict[int, Any] = {}
        while rank_of:
            for connection in wait(list(rank_of)):
                assert isinstance(connection, Connection)
                rank = rank_of.pop(connection)
                try:
                    answers[rank], raised = connection.recv()
                except (EOFError, ConnectionError) as error:
                    raise self._died(rank) from error
                if raised is not None:
                    raise self._died_first() or raised
        return [answers[rank] for rank in ranks]

    def _died_first(self) -> RuntimeError | None:
        """The error for a process that has ended: it may be the cause of another process's error."""
        sentinels = [process.sentinel for process in self._processes]
        ended = wait(sentinels, timeout=REAPING_S)
        return self._died(sentinels.index(ended[0])) if ended else None  # type: ignore[arg-type]

    def _died(self, rank: int) -> RuntimeError:
        self._processes[rank].join(STOP_TIMEOUT_S)
        return RuntimeError(
            f"process {rank} of {len(self._processes)} that train together ended with exit code "
            f"{self._processes[rank].exitcode} (if negative, the signal that killed it; -9 often means out "
            "of memory)"
        )

    def stop(self, *, gently: bool) -> None:
        """End all processes. With `gently`, wait until they finish by themselves; else kill them."""
        if not gently:
            for process in self._processes:
                process.kill()
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join(STOP_TIMEOUT_S)
            process.kill()
            process.join()


def _serve(connection: Connection, make: Make, rank: int, *arguments: object) -> None:
    """Answer calls until the other end of the connection is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        served = make(rank, *arguments)
        while True:
            try:
                method, given = connection.recv()
            except (EOFError, ConnectionError):
                return
            connection.send((getattr(served, method)(*given), None))
    except Exception as error:
        error.add_note(f"in process {rank}:\n{traceback.format_exc()}")
        connection.send((None, error))
        # Stay alive until the error is received: else another process, which waits in a collective
        # operation, could report first that this one is gone.
        connection.poll(None)
        raise


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
