"""What the shared arguments and options do."""

from pathlib import Path

import pytest

from crtcore.errors import ConfigError
from search.cli.options import load, stderr


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text("name: tiny\narrhythmia: {database: mitdb}\ncohort: {manifest: cohort.csv}\n")
    return str(path)


def test_settings_win_over_the_file_and_the_name_over_both(config: str) -> None:
    assert load(config, None).name == "tiny"
    experiment = load(config, ["finetune.epochs=7", "name=set"], "named")
    assert experiment.finetune.epochs == 7
    assert experiment.name == "named"
    assert load(config, ["name=set"]).name == "set"


@pytest.mark.parametrize("name", ["17", "true", "1e3", "null"])
def test_a_name_that_yaml_reads_as_something_else_stays_a_name(config: str, name: str) -> None:
    assert load(config, None, name).name == name


def test_a_misspelt_setting_is_an_error(config: str) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'finetune\.epochs'"):
        load(config, ["finetune.epoch=7"])


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    stderr().print("busy")
    assert capsys.readouterr() == ("", "busy\n")
