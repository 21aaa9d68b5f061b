"""Write docs/configuration.md from the pydantic models: python docs/generate_config_reference.py"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from crtcore.config import Experiment

PAGE = Path(__file__).with_name("configuration.md")
OPENING = """# Configuration

<!-- Written by docs/generate_config_reference.py; change crtcore/config.py and run it again. -->

A config is a YAML file. `--set section.key=value` on the command line wins over the file, and the file wins
over the defaults below. An unknown key is an error that names the nearest one. The resolved config is stored
with every sweep.
"""

TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def reference() -> str:
    """The page."""
    return OPENING + "".join(_sections(Experiment, "")) + "\n"


def _sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    title = f"`{prefix.rstrip('.')}`" if prefix else "Top level"
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        if not _is_section(field):
            words = _words(schema["properties"][name], schema.get("$defs", {}))
            cells = (f"`{prefix}{name}`", _cell(words), _default(field), _cell(field.description or ""))
            rows.append(f"| {' | '.join(cells)} |")
    yield f"\n## {title}\n\n{_prose(model)}\n"
    if rows:
        yield "\n" + "\n".join(("| key | value | default | meaning |", "|---|---|---|---|", *rows)) + "\n"
    for name, field in model.model_fields.items():
        if _is_section(field):
            assert isinstance(field.annotation, type)
            yield from _sections(field.annotation, f"{prefix}{name}.")


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _prose(model: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(model) or "").split())


def _words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _words(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(
            _words(each, definitions) for each in schema["anyOf"] if each.get("type") != "null"
        )
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{each}`" for each in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        items = schema.get("items") or {"anyOf": schema["prefixItems"][:1]}
        return f"list of {_words(items, definitions)}"
    if schema["type"] == "object":
        keys = ", ".join(schema.get("properties", {}))
        values = schema.get("additionalProperties")
        return (
            f"mapping with {keys}"
            if not isinstance(values, dict)
            else f"mapping to {_words(values, definitions)}"
        )
    limits = [f"{sign} {schema[key]:g}" for key, sign in LIMITS.items() if key in schema]
    return " ".join((TYPES[schema["type"]], ", ".join(limits))).strip()


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required() or default is PydanticUndefined:
        return "required"
    return "" if default in (None, "") else f"`{_plain(default)}`"


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
