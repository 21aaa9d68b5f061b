"""Prepare recordings as Ray tasks, one recording for each task, on any node that has room."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crtcore.data.recording_shard import ShardJob
from crtcore.errors import CrtError
from crtcore.signal.formats import files_of

if TYPE_CHECKING:
    from ray import ObjectRef

MIN_JOBS = 16  # fewer jobs take less time than starting Ray

BuildShard = Callable[[ShardJob], None]
Files = dict[str, bytes]  # name -> content, of one recording


class RayJobs:
    """Runs the jobs of `prepare` (as its `map_jobs`) on the Ray cluster at `address`. With None, Ray is
    started on this machine when it is first needed. It is a context manager; Ray stops at the end of its
    block.

    The nodes of a cluster do not need to see the recordings: their bytes are sent with the tasks.
    """

    def __init__(self, address: str | None, storage: str) -> None:
        self._address = address
        self._storage = storage
        self._connection = ExitStack()

    def __enter__(self) -> "RayJobs":
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def __call__(self, build: BuildShard, jobs: Sequence[ShardJob], /) -> Iterator[None]:
        """Build all `jobs`, and yield after each. Raises the first error of a task."""
        if len(jobs) < MIN_JOBS:
            yield from map(build, jobs)
            return
        # Ray takes seconds to import, and is not needed if everything is prepared.
        import ray
        from ray.exceptions import RayTaskError

        from search.cluster.connection import connected, node_resources
        from search.cluster.shared_storage import require_shared

        self._connection.enter_context(connected(self._address))
        if self._address is not None:
            require_shared(self._storage)
        # Tasks reserve no CPU: when a sweep needs new data, its trials hold them all.
        task = ray.remote(num_cpus=0, scheduling_strategy="SPREAD")(_build)
        shared_build = ray.put(build)
        num_at_once = max(1, int(sum(node.get("CPU", 0.0) for node in node_resources())))
        waiting = list(reversed(jobs))
        running: list[ObjectRef[None]] = []
        while waiting or running:
            while waiting and len(running) < num_at_once:
                job = waiting.pop()
                files = None if self._address is None else _read_files(job)
                running.append(task.remote(shared_build, job, files))
            finished, running = ray.wait(running)
            try:
                ray.get(finished)
            except RayTaskError as error:
                if isinstance(error.cause, CrtError):
                    raise error.cause from None  # show the user one sentence, not the task's traceback
                raise
            yield from (None for _ in finished)


def _build(build: BuildShard, job: ShardJob, files: Files | None) -> None:
    if files is None:
        build(job)
        return
    folder = job.source.path.parent
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in files.items():
            Path(scratch, name).write_bytes(content)
        copied = replace(job.source, path=Path(scratch, job.source.path.name))
        try:
            build(replace(job, source=copied))
        except CrtError as error:  # name the original file, not its copy
            raise type(error)(str(error).replace(scratch, str(folder))) from None


def _read_files(job: ShardJob) -> Files:
    return {file.name: file.read_bytes() for file in files_of(job.source.path, annotated=job.annotated)}
