"""The config that a sweep keeps beside its study, and what makes two runs the same sweep: the settings, the
data and the code that its trials' scores rest on.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import yaml
from pydantic import ValidationError

from crtcore.config import Experiment
from crtcore.errors import SweepError

if TYPE_CHECKING:  # it loads torch, which whoever only reads a sweep has no use for
    from crtcore.pipeline import Plan

from crtcore.configfile import load_experiment, override
from crtcore.stages.atomic import write_atomically
from search.study.attributes import DIGESTS
from search.study.folder import sweep_dir

CONFIG_FILE = "config.yaml"
# What may change between two runs of one sweep: where things lie (their content is compared by digest), how
# results are worded, what they run on, how long the sweep is.
FREE_KEYS = (
    "storage",
    "cache",
    "data",
    "arrhythmia.database",
    "cohort.manifest",
    "cohort.class_names",
    "cohort.note",
    "resources.trial.",
    "resources.pretrain.",
    "resources.max_failures",
    "search.trials",
    "search.wall_clock",
    "search.gpu_hours",
)


def keep_identity(study: optuna.Study, folder: Path, experiment: Experiment, plan: "Plan") -> None:
    """Store the resolved config in the sweep's folder and the base experiment's stages in its study.

    Raises SweepError if the sweep already has trials and settings, data or code are not those it was started
    with: new trials would not compare with the old.
    """
    path = folder / CONFIG_FILE
    config = experiment.model_dump(mode="json")
    digests = {
        "arrhythmia": plan.arrhythmia.digest,
        "cohort": plan.cohort.digest,
        "finetune": plan.finetune.digest,
    }
    if study.get_trials(deepcopy=False):
        if not path.is_file():
            raise SweepError(
                f"the study {study.study_name} that search.study names is of a sweep elsewhere, or its "
                f"{path} is gone; start another sweep with --name"
            )
        _check_config(folder.name, yaml.safe_load(path.read_text(encoding="utf-8")), config)
        _check_digests(folder.name, DIGESTS.of(study), digests)
    write_atomically(path, yaml.safe_dump(config, sort_keys=False))
    DIGESTS.write(study, digests)


def _check_config(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    old, new = dict(_leaves(_completed(before))), dict(_leaves(now))
    changes = [
        f"{key} was {old.get(key)!r} and is now {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(FREE_KEYS)
    ]
    if changes:
        raise SweepError(
            f"sweep {name} was started with other settings: {'; '.join(changes)}; set them back, or start "
            f"another sweep with --name"
        )


def _completed(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored config with the keys that this version added, at their defaults."""
    try:
        return Experiment.model_validate(config).model_dump(mode="json")
    except ValidationError:
        return config  # it has keys or values that this version knows no more: differences to show


def _check_digests(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for stage, cause in (
        ("arrhythmia", "the recordings of the arrhythmia database or the way crtsearch prepares them"),
        ("cohort", "the cohort's recordings, its manifest or the way crtsearch prepares them"),
        ("finetune", "the way this version of crtsearch trains"),
    ):
        if before[stage] != now[stage]:
            raise SweepError(
                f"{cause} changed since sweep {name} was started, so new trials would not compare with the "
                "old; go back to what it was started with, or start another sweep with --name"
            )


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def stored_experiment(storage: str, name: str) -> Experiment:
    """The experiment of sweep `name`, as it last ran, with the storage it lies in now.

    SweepError if the sweep has no config (it never got so far); ConfigError if this version cannot read it.
    """
    path = sweep_dir(storage, name) / CONFIG_FILE
    if not path.is_file():
        raise SweepError(f"sweep {name} has no {path}; run the same `crtsearch sweep` command again")
    return override(load_experiment(path), {"storage": storage})
