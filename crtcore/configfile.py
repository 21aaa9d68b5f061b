"""YAML + dotted overrides -> Experiment. Precedence: overrides, then the file, then the defaults in
config.py.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from crtcore.config import Experiment
from crtcore.errors import ConfigError

SHIPPED_CONFIGS = Path(__file__).resolve().parents[1] / "configs"


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads `1e-4` as the number it is (YAML 1.2; PyYAML keeps to 1.1 and reads a string)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_experiment(config: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a config file with `key.subkey=value` overrides.

    `config` is a path, or the bare name of a file in `configs/`.

    Raises ConfigError that names the file, the key and the nearest known key.
    """
    path = _find(config)
    try:
        tree = _parse(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must hold keys and values, such as `name: demo`")
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {text!r} must read key=value, for example --set finetune.epochs=20")
        try:
            _put(tree, key.strip(), _parse(value))
        except yaml.YAMLError as error:
            raise ConfigError(
                f"--set {text!r}: the value is not YAML: {' '.join(str(error).split())}"
            ) from error
    return _absolute(_validate(tree, str(path)))


def override(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with the dotted keys of `values` replaced and everything validated again."""
    tree = experiment.model_dump(mode="python")
    for key, value in values.items():
        _put(tree, key, value)
    return _validate(tree, "search space")


def known_keys(model: type[BaseModel] = Experiment, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the config tree, sections included."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_keys(field.annotation, f"{prefix}{name}.")


def _parse(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _find(config: str | Path) -> Path:
    bare = f"{config}.yaml"
    for path in (Path(config), Path("configs", bare), SHIPPED_CONFIGS / bare):
        if path.is_file():
            return path
    names = sorted(path.stem for path in SHIPPED_CONFIGS.glob("*.yaml"))
    raise ConfigError(f"no config {str(config)!r}: give a path to a YAML file or one of {', '.join(names)}")


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    node = tree
    # Keys of the search space are dotted config keys themselves: what follows `search.space.` is one key.
    head, space, tail = key.partition("search.space.")
    *parents, leaf = ["search", "space", tail] if space and not head else key.split(".")
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{key!r}: {parent!r} is not a section but a value")
        node = child
    node[leaf] = value


def _validate(tree: Mapping[str, Any], origin: str) -> Experiment:
    try:
        return Experiment.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    problems = error.errors()
    # An unknown key says more than the missing one it may have caused.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(key, list(known_keys()), n=1, cutoff=0.5)
        hint = (
            f"did you mean {nearest[0]!r}?"
            if nearest
            else f"known keys: {', '.join(Experiment.model_fields)}"
        )
        return f"unknown key {key!r}; {hint}{more}"
    if first["type"] == "missing":
        return f"key {key!r} is missing{more}"
    return f"{key} = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}{more}"


def _absolute(experiment: Experiment) -> Experiment:
    """Local paths made absolute: a worker's current directory is not the user's."""
    storage = experiment.storage
    return experiment.model_copy(
        update={
            "storage": storage if "://" in storage else str(Path(storage).expanduser().absolute()),
            "cache": experiment.cache.expanduser().absolute(),
            "data": experiment.data.expanduser().absolute(),
        }
    )
