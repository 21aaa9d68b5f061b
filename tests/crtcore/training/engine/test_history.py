"""The history of a stage: what is written is read, also where an older version wrote it."""

import json
import subprocess
import sys

from crtcore.training.engine.history import EpochReport, decode_history, encode_history


def report(**values: object) -> EpochReport:
    known = {"stage": "finetune", "epoch": 1, "num_epochs": 2, "metrics": {"auc": 0.5}}
    return EpochReport(**{**known, "num_images": 8, "seconds": 0.25, **values})  # type: ignore[arg-type]


def test_reports_survive_a_file() -> None:
    reports = [report(note="resumed"), report(epoch=2, ranks="AAEC")]
    assert decode_history(json.loads(json.dumps(encode_history(reports)))) == reports


def test_reports_without_ranks_are_written_as_before_and_read() -> None:
    (written,) = encode_history([report()])
    assert "ranks" not in written
    del written["note"]
    assert decode_history([written]) == [report()]


def test_reading_a_history_loads_no_torch() -> None:
    code = "import sys, crtcore.training.engine.history; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
