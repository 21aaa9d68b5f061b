"""What a stage is: the identity of one computation, and what its manifest holds."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

JSON = Any  # a value of the json module; Python has no finite type for it
DIGEST_LENGTH = 20


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The identity of one computation: the same four values always mean the same output.

    `inputs` are digests of the stages it reads, or content hashes of raw data; `version` changes whenever
    the code would give another output for the same config.
    """

    name: str
    config: Mapping[str, JSON]
    inputs: tuple[str, ...]
    version: int

    @cached_property
    def digest(self) -> str:
        """20 hexadecimal digits of the SHA-256 over the canonical JSON of the four values."""
        identity = {
            "name": self.name,
            "config": dict(self.config),
            "inputs": list(self.inputs),
            "version": self.version,
        }
        return sha256_of_json(identity)[:DIGEST_LENGTH]

    def __str__(self) -> str:
        return f"{self.name}/{self.digest}"


@dataclass(frozen=True, kw_only=True)
class StageKey:
    """The address of a stage that is known by its digest alone, as it stands in a manifest or a study."""

    name: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}/{self.digest}"


@dataclass(frozen=True, kw_only=True)
class StageManifest:
    """The manifest of a committed stage.

    `files` maps a file name to its bytes and SHA-256, `facts` are the stage's results, `folder` is where the
    files lie, relative to the manifest. `config` and `inputs` are those of its Stage.
    `is_referenced`: it was committed by a version whose sweeps list in an object store what they need.
    """

    files: Mapping[str, Mapping[str, JSON]]
    facts: Mapping[str, JSON]
    folder: str
    config: Mapping[str, JSON]
    inputs: tuple[str, ...]
    is_referenced: bool


def sha256_of_json(content: Mapping[str, JSON]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
