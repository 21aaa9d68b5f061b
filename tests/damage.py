"""Files with random damage, and what a reader of ours owes them."""

import re
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from crtcore.errors import CrtError

CASES = 300  # of each of seven kinds of file; with the other formats 2,600 in all
CPU_LIMIT_S = 5.0
MEMORY_LIMIT_BYTES = 2 * 2**30
HUGE = (b"2147483647", b"4294967296", b"99999999999999999999", b"1e309", b"-1", b"0", b"nan", b"inf")


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """`content` with one to three hurts of random kinds."""
    for _ in range(generator.integers(1, 4)):
        kind = generator.integers(7)
        at = int(generator.integers(len(content))) if content else 0
        far = min(len(content), at + int(generator.integers(1, 64)))
        number = re.search(rb"[0-9]+", content[at:])
        if kind == 0:
            content = content[:at]
        elif kind == 1 and content:
            content = content[:at] + bytes([content[at] ^ 1 << generator.integers(8)]) + content[at + 1 :]
        elif kind == 2:
            content = content[:at] + content[at:far][::-1] + content[far:]
        elif kind == 3 and generator.random() < 0.1:
            content = b""
        elif kind == 4 and number:
            start, stop = number.span()
            content = content[: at + start] + HUGE[generator.integers(len(HUGE))] + content[at + stop :]
        elif kind == 5:
            content = content[:at] + b"\xff\xff\xff\x7f" * int(generator.integers(1, 9)) + content[far:]
        else:
            content = content[:at] + content[at:far] + content[at:]
    return content


@contextmanager
def little_memory() -> Iterator[None]:
    """Address space for 2 GB more than is taken now: who asks for more gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def survives(path: Path, read: Callable[[], None], num_cases: int = CASES) -> None:
    """Damage `path` again and again: `read`, which checks what it reads, passes or raises one `CrtError`."""
    intact = path.read_bytes()
    num_refused = 0
    with little_memory(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, on the strange numbers within wfdb
        for case in range(num_cases):
            content = damaged(intact, np.random.default_rng(case))
            path.write_bytes(content)
            start = time.process_time()
            try:
                refusal = refusal_of(read)
            except Exception as error:
                error.add_note(f"case {case} of {path.name}: {content[:400]!r}")
                raise
            assert time.process_time() - start < CPU_LIMIT_S, f"case {case} of {path.name} takes too long"
            if refusal is not None:
                num_refused += 1
                assert path.stem in refusal, f"case {case}: the file is not named: {refusal}"
                assert "\n" not in refusal, f"case {case}: more than one line: {refusal}"
    assert num_refused > 0, "no damage was noticed"
    path.write_bytes(intact)
    assert refusal_of(read) is None


def refusal_of(read: Callable[[], None]) -> str | None:
    try:
        read()
    except CrtError as error:
        return str(error)
    return None
