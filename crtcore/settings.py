"""What every section of the config is made of: the base class, and numbers with limits."""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """Base of every section. It cannot be changed, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SECONDS_IN = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> object:
    """`90m`, `2h` or `1.5d` in seconds. What is not text is returned as it is, for pydantic to check."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)\s*", value)
    if match is None:
        raise ValueError("give seconds, or a time such as 90m, 2h or 1d")
    return float(match[1]) * SECONDS_IN[match[2] or "s"]


Seconds = Annotated[PositiveFloat, BeforeValidator(_seconds)]
