"""The config files that ship load, and what they search is valid and affordable where they say they run."""

import math
from pathlib import Path

import pytest

from crtcore.configfile import load_experiment
from search.scheduling.sampling.space import distributions

FOLDER = Path(__file__).resolve().parent.parent / "configs"
OF_BENCHMARKS = {"mitbih_inter", "mitbih_intra"}  # they pre-train and score beats, and search nothing
ASK_OF_PRETRAINING = {"pretraining"}  # they leave fine-tuning as it is
CONFIGS = sorted(path for path in FOLDER.glob("*.yaml") if path.stem not in OF_BENCHMARKS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
class TestEachConfig:
    def test_loads_and_its_space_is_valid(self, path: Path) -> None:
        experiment = load_experiment(path)
        assert experiment.name == path.stem  # `make sweep` and the README rely on it
        assert set(distributions(experiment.search)) == set(experiment.search.space)

    def test_opens_with_the_command_that_runs_it(self, path: Path) -> None:
        opening = path.read_text().splitlines()[0]
        assert opening.startswith(("# make sweep", "# crtsearch sweep"))
        assert f"crtsearch sweep {path.stem}" in opening

    def test_the_scheduler_leaves_epochs_to_prune(self, path: Path) -> None:
        experiment = load_experiment(path)
        assert experiment.search.scheduler.grace_epochs < experiment.finetune.epochs


@pytest.mark.parametrize("path", [path for path in CONFIGS if path.stem not in ASK_OF_PRETRAINING])
def test_searches_what_the_design_requires(path: Path) -> None:
    required = {
        "pretrain.depth",
        "finetune.frozen_groups",
        "finetune.learning_rate",
        "finetune.batch_size",
    }
    assert required <= set(load_experiment(path).search.space)


def test_every_config_is_found() -> None:
    assert {path.stem for path in CONFIGS} == {"demo", "mitbih_ptbxl", "paper", "pretraining"}


def test_the_grid_over_pretraining_is_searched_whole_and_holds_the_untrained_network() -> None:
    search = load_experiment(FOLDER / "pretraining.yaml").search
    lists = [choices for choices in search.space.values() if isinstance(choices, tuple)]
    assert search.trials == math.prod(map(len, lists))
    assert "none" in search.space["pretrain.objective"]


@pytest.mark.parametrize("name", sorted(OF_BENCHMARKS))
def test_the_configs_of_benchmarks_load_and_name_their_command(name: str) -> None:
    path = FOLDER / f"{name}.yaml"
    experiment = load_experiment(path)
    assert experiment.name == name
    assert experiment.search.space == {}
    assert path.read_text().startswith("# python -m benchmarks.arrhythmia --data folder")
