"""`crtsearch` as a program of its own, which a test starts and ends."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CRTSEARCH: Final = (sys.executable, "-c", "from search.cli.main import main; main()")
END_TIMEOUT_S: Final = 60.0  # of a busy machine


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command. If it still runs at the end, SIGTERM ends it: programs started in the background of a shell
    ignore Ctrl-C.
    """
    with subprocess.Popen(
        [*CRTSEARCH, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                _, errors = process.communicate(timeout=END_TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
            assert "Traceback" not in errors, errors
