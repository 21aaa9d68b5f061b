from pathlib import Path

import pytest

from benchmarks.kill import commits, write_config
from crtcore.configfile import load_experiment


@pytest.mark.parametrize(("mode", "num_trials"), [("grid", 6), ("tpe", 8)])
def test_the_config_is_valid_and_searches_the_named_number_of_trials(
    tmp_path: Path, mode: str, num_trials: int
) -> None:
    experiment = load_experiment(str(write_config(tmp_path, mode)), [])
    assert experiment.search.sampler == mode
    assert experiment.search.trials == num_trials


def test_only_committed_stages_count(tmp_path: Path) -> None:
    for name, has_manifest in (("ab12", True), ("cd34", False), (".tmp-ef56", True)):
        folder = tmp_path / "stages" / "finetune" / name
        folder.mkdir(parents=True)
        if has_manifest:
            (folder / "manifest.json").write_text("{}")
    assert set(commits(tmp_path)) == {"ab12"}
