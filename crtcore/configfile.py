"""YAML and dotted overrides -> Experiment. Overrides win over the file, the file over the defaults in
config.py.
"""

import difflib
import os
import re
import reprlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from crtcore.config import Experiment
from crtcore.errors import ConfigError, brief

_IN_PACKAGE: Final = Path(__file__).with_name("configs")  # of a wheel; a checkout has them beside the package
SHIPPED_CONFIGS: Final = (
    _IN_PACKAGE if _IN_PACKAGE.is_dir() else Path(__file__).resolve().parents[1] / "configs"
)
CLUSTER_FILE: Final = "cluster"

MAX_BYTES: Final = 2**20
MAX_NAME: Final = 255  # bytes of one part of a path, and
MAX_PATH: Final = 4096  # of a whole path: what file systems allow
MAX_DEPTH: Final = 20  # of lists and mappings within each other
MAX_NODES: Final = 100_000  # with every alias written out


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads `1e-4` as a number, as YAML 1.2 does, and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                if (key.tag, key.value) in first:
                    before = first[key.tag, key.value]
                    raise yaml.YAMLError(
                        f"key {key.value!r} is given twice, in line {before} and in line {line}; keep one"
                    )
                first[key.tag, key.value] = line
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_experiment(config: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a config file with `key.subkey=value` overrides.

    `config` is a path, or the bare name of a file in `configs/`.

    Raises ConfigError that names the file, the key and the nearest known key.
    """
    path = find_config(config)
    tree = _parse(_text(path), str(path))
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must hold keys and values, such as `name: demo`")
    for text in overrides:
        _put(tree, *_key_and_value(text))
    return _absolute(_validate(tree, str(path)))


def override(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with the dotted keys of `values` replaced and everything validated again."""
    tree = experiment.model_dump(mode="python")
    for key, value in values.items():
        _put(tree, key, value)
    return _validate(tree, "search space")


def with_settings(experiment: Experiment, texts: Sequence[str], *, section: str) -> Experiment:
    """The experiment with the `key.subkey=value` texts of one section. ConfigError if a key is of another."""
    values = dict(_key_and_value(text) for text in texts)
    for key in values:
        if not key.startswith(f"{section}."):
            raise ConfigError(f"--set {key[:80]} cannot be changed here, only keys of {section}")
    return override(experiment, values)


def _key_and_value(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text[:80]!r} must read key=value, for example --set finetune.epochs=20")
    return key.strip(), _parse(value, f"--set {text[:80]!r}: the value")


def known_keys(model: type[BaseModel] = Experiment, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the config tree, sections included."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_keys(field.annotation, f"{prefix}{name}.")


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(f"{path} has more than {MAX_BYTES:,} bytes: it is no config file")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not YAML in UTF-8: {brief(error)}") from error


def _parse(text: str, origin: str) -> Any:
    """The value of a YAML text. ConfigError that starts with `origin` if it is malformed or far too large."""
    try:
        _check_depth(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _num_nodes(node, 0, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (
        yaml.YAMLError,
        ValueError,
    ) as error:  # ValueError: a date or an integer that Python does not take
        raise ConfigError(f"{origin} is not YAML: {brief(error)}") from error


def _check_depth(text: str) -> None:
    """Before anything is built: PyYAML recurses, and its scanner is slow on deep flows."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {MAX_DEPTH} levels deep")


def _num_nodes(node: yaml.Node, depth: int, known: dict[int, int]) -> int:
    """How many values the node holds with every alias written out."""
    if depth > MAX_DEPTH:
        raise yaml.YAMLError(f"it is nested more than {MAX_DEPTH} levels deep")
    if id(node) not in known:
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        known[id(node)] = 1 + sum(_num_nodes(part, depth + 1, known) for part in parts)
    if known[id(node)] > MAX_NODES:
        raise yaml.YAMLError(f"its aliases stand for more than {MAX_NODES:,} values")
    return known[id(node)]


def shipped_files() -> dict[str, Path]:
    """The configs and cluster files that come with crtsearch, by name."""
    files = sorted((*SHIPPED_CONFIGS.glob("*.yaml"), *SHIPPED_CONFIGS.glob("clusters/*.yaml")))
    found = {path.stem: path for path in files}
    return {CLUSTER_FILE: SHIPPED_CONFIGS.parent / "cluster.yaml"} | found  # it lies there in a checkout


def find_config(config: str | Path) -> Path:
    """The file of a config: a path, a name in `configs/` here, or a shipped config. ConfigError if none."""
    bare = f"{config}.yaml"
    if _fault(bare) is None:
        for path in (Path(config), Path("configs", bare), SHIPPED_CONFIGS / bare):
            if path.is_file():
                return path
    names = sorted(path.stem for path in SHIPPED_CONFIGS.glob("*.yaml"))
    shown = repr(str(config)[:80])
    raise ConfigError(f"no config {shown}: give a path to a YAML file or one of {', '.join(names)}")


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
    if not key:
        return f"{first['msg'].removeprefix('Value error, ')}{more}"
    value = reprlib.repr(first["input"])
    return f"{key} = {value}: {first['msg'].removeprefix('Value error, ')}{more}"


def _absolute(experiment: Experiment) -> Experiment:
    """Local paths made absolute: a worker's current directory is not the user's. ConfigError if unusable."""
    storage = experiment.storage
    for key, path in (
        ("storage", storage),
        ("cache", str(experiment.cache)),
        ("data", str(experiment.data)),
        ("arrhythmia.database", str(experiment.arrhythmia.database)),
        ("cohort.manifest", str(experiment.cohort.manifest)),
    ):
        fault = _fault(path)
        if fault is not None:
            raise ConfigError(f"{key} = {reprlib.repr(path)}: {fault}")
    return experiment.model_copy(
        update={
            "storage": storage if "://" in storage else str(Path(storage).expanduser().absolute()),
            "cache": experiment.cache.expanduser().absolute(),
            "data": experiment.data.expanduser().absolute(),
        }
    )


def _fault(path: str) -> str | None:
    """Why no file system takes this path, None if it is fine."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        return "a path has no NUL character"
    if len(encoded) > MAX_PATH or any(len(part) > MAX_NAME for part in encoded.split(b"/")):
        return f"a path has at most {MAX_PATH} bytes, and {MAX_NAME} between slashes"
    try:
        Path(path).expanduser()
    except RuntimeError:
        return "no user of this name has a home folder here; write the path out"
    return None
