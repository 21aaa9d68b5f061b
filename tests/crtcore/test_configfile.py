"""Precedence, and errors that name the key and the remedy."""

from pathlib import Path

import pytest

from crtcore.configfile import known_keys, load_experiment, override, with_settings
from crtcore.errors import ConfigError
from crtcore.searchconfig import FloatRange

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


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("name: other", r"key 'name' is given twice, in line 2 and in line \d+; keep one"),
        ("cohort: {manifest: m.csv}", "key 'cohort' is given twice"),
        ("finetune: {epochs: 1, epochs: 2}", "is given twice"),
        ("seed: " + "1" * 10_000, "not YAML: Exceeds the limit"),
        ("seed: " + "[" * 5000, "nested more than 20 levels deep"),
        ("seed: &s [*s]", "nested more than 20 levels deep"),
        ("seed: 2024-13-45", "month must be in 1..12"),
        (
            "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(
                f"a{i}: &a{i} [{', '.join(['*a' + str(i - 1 if i else '')] * 10)}]\n" for i in range(6)
            ),
            "aliases stand for more than 100,000 values",
        ),
        ("storage: ~nobody-has-this-name/x", "no user of this name has a home folder"),
        ('data: "a\\0b"', "a path has no NUL character"),
        ("cache: " + "c" * 300, "255 between slashes"),
    ],
)
def test_hostile_yaml_is_one_sentence(config: Path, extra: str, message: str) -> None:
    config.write_text(f"{TEXT}\n{extra}\n")
    with pytest.raises(ConfigError, match=message) as caught:
        load_experiment(config)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "finetune.repeats=1000000",
            "finetune.repeats = 1000000: Input should be less than or equal to 1000",
        ),
        ("name=" + "n" * 300, "at most 100 characters"),
        ("seed=" + "1" * 10_000, "the value is not YAML"),
        ("seed=" + "[" * 5000, "nested more than 20 levels deep"),
        ("cohort.manifest=" + "m" * 300, "cohort.manifest = .*255 between slashes"),
    ],
)
def test_hostile_overrides(config: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_experiment(config, [setting])


def test_an_alias_and_a_merge_still_work(config: Path) -> None:
    config.write_text(f"{TEXT}\nspectrogram: &s {{window: hann}}\nresources: {{trial: &t {{cpus: 2}}}}\n")
    assert load_experiment(config).resources.trial.cpus == 2
    config.write_text(TEXT.replace("name: toy", "<<: {name: base, seed: 3}\nname: toy"))
    assert (load_experiment(config).name, load_experiment(config).seed) == ("toy", 3)


def test_a_huge_file_and_a_long_name_are_no_configs(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ConfigError, match="more than 1,048,576 bytes"):
        load_experiment(tmp_path / "big.yaml")
    with pytest.raises(ConfigError, match="no config 'aaaa"):
        load_experiment("a" * 300)


def test_settings_of_one_section_alone_can_be_changed(config: Path) -> None:
    experiment = load_experiment(config)
    changed = with_settings(experiment, ["export.networks=fold_mean", "export.license=mit"], section="export")
    assert (changed.export.networks, changed.export.license) == ("fold_mean", "mit")
    with pytest.raises(ConfigError, match=r"finetune.epochs cannot be changed here, only keys of export"):
        with_settings(experiment, ["finetune.epochs=3"], section="export")
    with pytest.raises(ConfigError, match="must read key=value"):
        with_settings(experiment, ["export.networks"], section="export")
