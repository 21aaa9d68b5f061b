import os

from benchmarks.disturbances import DISTURBANCES, REPAIRS, processes


def test_this_process_is_listed_with_its_parent() -> None:
    found = {pid: (parent, title) for pid, parent, title in processes()}
    parent, title = found[os.getpid()]
    assert parent == os.getppid()
    assert title


def test_every_repair_belongs_to_a_disturbance() -> None:
    assert set(REPAIRS) < set(DISTURBANCES)
