"""Precedence, and errors that name the key and the remedy."""

from pathlib import Path

import pytest

from crtcore.config import FloatRange
from crtcore.configfile import known_keys, load_experiment, override
from crtcore.errors import ConfigError

TEXT = """
name: toy
arrhythmia: {database: mitdb}
cohort: {manifest: cohort.csv}
finetune: {learning_rate: 1e-4}
search:
  space:
    finetune.learning_rate: {low: 1e-5, high: 1e-2, log: true}
    pretrain.depth: [18, 34]
    pretrain.learning_rate: [1e-3, 0.01]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TEXT)
    return path


def test_override_beats_file_beats_default(config: Path) -> None:
    experiment = load_experiment(config, ["finetune.learning_rate=0.5", "search.trials=3"])
    assert experiment.finetune.learning_rate == 0.5
    assert load_experiment(config).finetune.learning_rate == 1e-4
    assert experiment.search.trials == 3
    assert experiment.finetune.epochs == 10


def test_exponents_without_a_dot_are_numbers(config: Path) -> None:
    space = load_experiment(config).search.space
    assert space["finetune.learning_rate"] == FloatRange(low=1e-5, high=1e-2, log=True)
    assert space["pretrain.learning_rate"] == (1e-3, 0.01)


def test_a_space_key_can_be_overridden(config: Path) -> None:
    space = load_experiment(config, ["search.space.pretrain.depth=[50]"]).search.space
    assert space["pretrain.depth"] == (50,)
    assert "finetune.learning_rate" in space


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "finetune.learning_rat=1",
            "unknown key 'finetune.learning_rat'; did you mean 'finetune.learning_rate'",
        ),
        ("serch.trials=1", "unknown key 'serch'; did you mean 'search'"),
        ("finetune.frozen_groups=7", "finetune.frozen_groups = 7"),
        ("pretrain.depth=19", "pretrain.depth = 19"),
        ("finetune.learning_rate=-1", "finetune.learning_rate = -1"),
        ("name=../up", "name = '../up'"),
        ("finetune.epochs=1 & finetune.epochs.x=1", "'epochs' is not a section"),
        ("search.space.finetune.learning_rate={low: 1, high: 0}", r"low \(1\) must be below high \(0\)"),
        ("finetune.epochs", "must read key=value"),
        ("finetune=[", "the value is not YAML"),
    ],
)
def test_bad_setting(config: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_experiment(config, setting.split(" & "))


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [", "just words"])
def test_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_experiment(path)


def test_missing_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\ncohort: {manifest: m.csv}\n")
    with pytest.raises(ConfigError, match="key 'arrhythmia' is missing"):
        load_experiment(path)


def test_unknown_name_lists_the_shipped_configs() -> None:
    with pytest.raises(ConfigError, match=r"no config 'nothing'.*demo"):
        load_experiment("nothing")


def test_local_paths_become_absolute_and_uris_stay(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    experiment = load_experiment("toy.yaml", ["data=here"])
    assert experiment.database_path == config.parent / "here" / "mitdb"
    assert experiment.storage == str(config.parent / "storage")
    assert load_experiment("toy.yaml", ["storage=s3://bucket/x"]).storage == "s3://bucket/x"


def test_override_of_an_experiment_is_validated(config: Path) -> None:
    experiment = load_experiment(config)
    changed = override(experiment, {"pretrain.depth": 50, "finetune.frozen_groups": 0})
    assert (changed.pretrain.depth, changed.finetune.frozen_groups) == (50, 0)
    assert experiment.pretrain.depth == 18
    with pytest.raises(ConfigError, match=r"pretrain\.depth = 7"):
        override(experiment, {"pretrain.depth": 7})


def test_known_keys_reach_the_leaves() -> None:
    assert {"finetune.learning_rate", "search.scheduler.name", "resources.trial.gpus"} <= set(known_keys())
