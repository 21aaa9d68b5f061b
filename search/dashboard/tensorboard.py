"""TensorBoard event files of a sweep, one folder per trial, in `sweeps/<name>/tensorboard`."""

import time
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import scalar

from search.study.update import TrialUpdate


class EventFiles:
    """Writes each metric of each epoch as a point `stage/metric`.

    A listener: it needs every update of a sweep. Each epoch is written to the disk at once, so that
    TensorBoard shows it while the sweep runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[int, EventsWriter] = {}
        self._written: dict[int, tuple[str | None, int]] = {}  # the newest stage and epoch of each trial

    def on_update(self, update: TrialUpdate) -> None:
        """Write the metrics of the epoch that a running trial has finished."""
        number = update.number
        if update.state != "RUNNING":
            if number in self._writers:
                self._writers.pop(number).close()
            return
        epoch = (update.stage, update.epoch)
        if update.stage is None or self._written.get(number) == epoch:  # it started, or is tried again
            return
        self._written[number] = epoch
        if number not in self._writers:
            folder = self._folder / f"trial-{number:04d}"
            folder.mkdir(parents=True, exist_ok=True)
            self._writers[number] = EventsWriter(str(folder / "events"))
        writer = self._writers[number]
        for name, value in update.metrics.items():
            summary = scalar(f"{update.stage}/{name}", value)
            writer.write_event(Event(wall_time=time.time(), step=update.epoch, summary=summary))
        writer.flush()
