"""Processes of this node that answer calls together.

What one raises is raised here, and one that dies is an error.
"""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Final

STOP_TIMEOUT_S: Final = 30.0
REAPING_S: Final = 0.5  # a process is seen to be gone a little after its connections are
Make = Callable[..., object]


class Processes:
    """`num` processes, each with the object that `make(rank, *arguments)` gives there; all must be picklable.

    They are started by `spawn` (CUDA does not survive a fork), and end with `stop` or with this process,
    however it ends.
    """

    def __init__(self, num: int, make: Make, arguments: Sequence[object]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        self._processes = []
        for rank in range(num):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make, rank, *arguments), daemon=True)
            process.start()
            theirs.close()  # so that its end is seen here
            self._connections.append(ours)
            self._processes.append(process)

    def ask(self, method: str, *arguments: object) -> list[Any]:
        """The answers of all to a call of `method`, by rank. Raises what the first of them raised;
        RuntimeError if one ends without an answer.
        """
        return self._ask(range(len(self._processes)), method, arguments)

    def ask_first(self, method: str, *arguments: object) -> Any:
        """The answer of the first alone; raises as `ask` does."""
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
        """The death that another process's error may be a consequence of."""
        sentinels = [process.sentinel for process in self._processes]
        ended = wait(sentinels, timeout=REAPING_S)
        return self._died(sentinels.index(ended[0])) if ended else None  # type: ignore[arg-type]

    def _died(self, rank: int) -> RuntimeError:
        self._processes[rank].join(STOP_TIMEOUT_S)
        return RuntimeError(
            f"process {rank} of {len(self._processes)} that compute together ended with exit code "
            f"{self._processes[rank].exitcode} (if negative, the signal that killed it; -9 is often a lack "
            "of memory)"
        )

    def stop(self, *, gently: bool) -> None:
        """End all: `gently` they finish by themselves, or else at once."""
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
    """Answer calls until the other end is closed."""
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
        # Whoever waits for this process in a collective must not see it gone before its error is heard.
        connection.poll(None)
        raise


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
