"""The provenance of a result."""

from pathlib import Path

from crtcore.config import Experiment
from search.results.provenance import provenance
from search.results.winner import find_winner


def test_the_command_runs_the_stored_config(finished: Experiment) -> None:
    winner = find_winner(finished.storage, finished.name)
    found = provenance(winner)
    assert Path(found["command"].removeprefix("crtsearch sweep ")).is_file()
    assert found["digests"]["finetune"] == winner.plan.finetune.digest
    assert found["versions"]["torch"]
