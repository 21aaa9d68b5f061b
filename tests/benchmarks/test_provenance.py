import datetime
import re

import pytest

from benchmarks.provenance import provenance


def test_a_result_states_its_command_commit_and_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/a/path/of/this/machine/training.py", "--quick"])
    found = provenance("training")
    assert found["command"] == "python -m benchmarks.training --quick"
    assert re.fullmatch("[0-9a-f]{40}", found["commit"])
    assert datetime.date.fromisoformat(found["date"]) <= datetime.datetime.now(datetime.UTC).date()
