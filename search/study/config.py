"""The config stored with a sweep. It tells readers what ran, and it stops a second run with settings, data or
code that would give trials whose scores cannot be compared with the first ones.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import optuna
import yaml
from pydantic import ValidationError

from crtcore.config import Experiment
from crtcore.configfile import load_experiment, override
from crtcore.errors import SweepError
from crtcore.stages.atomic import write_atomically
from search.study.attributes import DIGESTS
from search.study.folder import URL_FILE, sweep_dir

if TYPE_CHECKING:  # it imports torch, which readers of a sweep do not need
    from crtcore.pipeline import Plan

CONFIG_FILE: Final = "config.yaml"
# These may change between two runs of a sweep: where things lie (contents are compared by digest), how
# results are worded, what trials run on, how long the sweep is, and what is exported.
FREE_KEYS: Final = (
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
    "export.",
)
# What changed if a stage of the base experiment has another digest than before.
CAUSES: Final = {
    "arrhythmia": "the recordings of the arrhythmia database or the way crtsearch prepares them",
    "cohort": "the cohort's recordings, its manifest or the way crtsearch prepares them",
    "finetune": "the way this version of crtsearch trains",
}


def stored_experiment(storage: str, name: str) -> Experiment:
    """The experiment of sweep `name` as it last ran, with `storage` as the place where it lies now.

    Raises SweepError if the sweep has no config yet, ConfigError if this version cannot read it.
    """
    path = sweep_dir(storage, name) / CONFIG_FILE
    if not path.is_file():
        raise SweepError(f"sweep {name} has no {path}; run the same `crtsearch sweep` command again")
    _read(path)  # first, because its error says what to do with this very file
    return override(load_experiment(path), {"storage": storage})


def keep_identity(study: optuna.Study, folder: Path, experiment: Experiment, plan: "Plan") -> None:
    """Store the resolved config in the sweep's folder, and the digests of the base experiment in its study.

    Raises SweepError if the sweep already has trials that ran with other settings, data or code.
    """
    path = folder / CONFIG_FILE
    config = experiment.model_dump(mode="json")
    digests = {
        "arrhythmia": plan.arrhythmia.digest,
        "cohort": plan.cohort.digest,
        "finetune": plan.finetune.digest,
    }
    if study.get_trials(deepcopy=False):
        if path.is_file():
            _check_config(folder.name, _read(path), config)
        elif (folder / URL_FILE).is_file():
            raise SweepError(
                f"the study {study.study_name} that search.study names belongs to another sweep, or {path} "
                "was removed; start another sweep with --name"
            )
        # Without the file, the digests alone must show that nothing changed.
        _check_digests(folder.name, DIGESTS.of(study), digests)
    write_atomically(path, yaml.safe_dump(config, sort_keys=False))
    DIGESTS.write(study, digests)


def _read(path: Path) -> Mapping[str, Any]:
    """A stored config, not validated. SweepError if it is damaged."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict) or "search" not in content:
        raise SweepError(
            f"{path} is damaged; the results of the sweep are safe: delete this file, then run "
            "`crtsearch sweep` with the config that the sweep was started with, which writes it again"
        )
    return content


def _check_config(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    old, new = dict(_leaves(_with_defaults(before))), dict(_leaves(now))
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


def _check_digests(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for stage, cause in CAUSES.items():
        if before[stage] != now[stage]:
            raise SweepError(
                f"{cause} changed since sweep {name} was started, so new trials could not be compared with "
                "the old ones; undo the change, or start another sweep with --name"
            )


def _with_defaults(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored config, with default values for the keys that a later version added."""
    try:
        return Experiment.model_validate(config).model_dump(mode="json")
    except ValidationError:
        return config  # keys or values that this version does not know are reported as differences


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
