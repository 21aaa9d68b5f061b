"""What may be searched: the config's space as Optuna distributions, with every choice validated."""

import difflib
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from crtcore.config import Experiment, FinetuneConfig, PretrainConfig, SpectrogramConfig
from crtcore.errors import ConfigError
from crtcore.searchconfig import FloatRange, SearchConfig
from crtcore.settings import Settings

SECTIONS: Mapping[str, type[Settings]] = {
    "spectrogram": SpectrogramConfig,
    "pretrain": PretrainConfig,
    "finetune": FinetuneConfig,
}
# The same for all trials, because scores on different folds cannot be compared.
FIXED_KEYS = frozenset({"finetune.folds", "finetune.repeats"})
MODEL = "finetune.model"
SEARCHABLE_KEYS = tuple(
    key
    for section, model in SECTIONS.items()
    for key in (f"{section}.{field}" for field in model.model_fields)
    if key not in (*FIXED_KEYS, MODEL)
)


def require_networks(experiment: Experiment) -> None:
    """ConfigError if a sweep has trials of a simple model: the report draws and describes networks only, so
    it would show a network that is not the winner.
    """
    if experiment.finetune.model != "network" or MODEL in experiment.search.space:
        raise ConfigError(
            f"{MODEL} must be network in a sweep, because the report cannot show a simple model yet; take "
            "the key out of the config. The report compares the winner with simple models anyway"
        )


def distributions(search: SearchConfig) -> dict[str, BaseDistribution]:
    """The distribution of each searched key, in the order of the config.

    Lists become categorical. Ranges become float, or int if the setting is a whole number. Raises ConfigError
    for a key that may not be searched, a value that the setting does not allow, or a range where a list is
    needed.
    """
    if not search.space and search.trials > 1:
        raise ConfigError(
            f"search.space is empty, so all {search.trials} trials would be the same: list values to try, "
            "for example `finetune.frozen_groups: [3, 4, 5]`, or set search.trials to 1"
        )
    return {key: _distribution(key, options, search.sampler) for key, options in search.space.items()}


def _distribution(
    key: str, options: FloatRange | tuple[bool | int | float | str, ...], sampler: str
) -> BaseDistribution:
    if key not in SEARCHABLE_KEYS:
        raise ConfigError(f"search.space: {_refusal(key)}")
    if isinstance(options, FloatRange):
        return _range(key, options, sampler)
    values = tuple(_validated(key, option) for option in options)
    if len(set(values)) < len(values):
        raise ConfigError(f"search.space.{key} lists a value twice: {', '.join(map(str, options))}")
    return CategoricalDistribution(values)


def _range(key: str, options: FloatRange, sampler: str) -> BaseDistribution:
    section, _, field = key.partition(".")
    kind = SECTIONS[section].model_fields[field].annotation
    if section != "finetune":
        raise ConfigError(
            f"search.space.{key} must be a list: trials share the stages before fine-tuning, and two trials "
            "practically never draw the same value from a range"
        )
    if sampler == "grid":
        raise ConfigError(f"search.space.{key} must be a list: search.sampler grid cannot cover a range")
    if kind not in (int, float):
        raise ConfigError(f"search.space.{key} must be a list: the setting is not a number")
    low, high = _validated(key, options.low), _validated(key, options.high)
    if kind is int:
        return IntDistribution(low, high, log=options.log)
    return FloatDistribution(low, high, log=options.log)


def _validated(key: str, value: bool | int | float | str) -> Any:
    section, _, field = key.partition(".")
    try:
        settings = SECTIONS[section].model_validate({field: value})
    except ValidationError as error:
        raise ConfigError(
            f"search.space.{key}: {value!r} is not allowed: {error.errors()[0]['msg']}"
        ) from error
    return getattr(settings, field)


def _refusal(key: str) -> str:
    if key in FIXED_KEYS:
        return f"{key} must be the same for all trials to compare their scores; set it in its own section"
    nearest = difflib.get_close_matches(key, SEARCHABLE_KEYS, n=1, cutoff=0.6)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"choose from {', '.join(SEARCHABLE_KEYS)}"
    return f"{key!r} cannot be searched; {hint}"
