"""Event files, read back record by record."""

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from search.dashboard.tensorboard import EventFiles
from search.study.update import State, TrialUpdate


def update(state: State = "RUNNING", epoch: int = 1, message: str = "") -> TrialUpdate:
    return TrialUpdate(
        number=7,
        state=state,
        params={},
        stage="finetune" if epoch else None,
        epoch=epoch,
        num_epochs=2,
        metrics={"auc": 0.5 + epoch / 8, "loss": 1.0} if epoch else {},
        message=message,
    )


def events(path: Path) -> list[Event]:
    """TFRecord: length (8 bytes), its checksum (4), the record, its checksum (4)."""
    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        found.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return found


def test_every_epoch_is_on_disk_when_it_is_reported(tmp_path: Path) -> None:
    files = EventFiles(tmp_path / "tensorboard")
    files.on_update(update(epoch=0))
    assert not (tmp_path / "tensorboard").exists()
    files.on_update(update(epoch=1))
    files.on_update(update(epoch=1, message="lost its node"))
    files.on_update(update(epoch=2))
    (path,) = (tmp_path / "tensorboard" / "trial-0007").iterdir()
    points = [
        (event.step, value.tag, value.simple_value) for event in events(path) for value in event.summary.value
    ]
    assert points == [
        (1, "finetune/auc", 0.625),
        (1, "finetune/loss", 1.0),
        (2, "finetune/auc", 0.75),
        (2, "finetune/loss", 1.0),
    ]
    files.on_update(update("COMPLETE", epoch=2))
    assert len(events(path)) == 5
