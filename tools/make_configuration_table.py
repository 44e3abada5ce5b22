"""Write the table of configuration keys in ``docs/guide.md``, which ``vcm_ref/configuration/sections.py`` declares.

python tools/make_configuration_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vcm_ref.configuration.options import Option, leaves_of
from vcm_ref.configuration.sections import Everything

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"
BEGIN = "<!-- configuration keys: made by tools/make_configuration_table.py -->\n"
END = "<!-- end of configuration keys -->\n"
_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "`true`, `false`"}


def table() -> str:
    """The table in Markdown: key, type, default, and meaning of every key."""
    rows = [
        ("key", "type", "default", "meaning"),
        ("---",) * 4,
    ]
    rows += [
        (f"`{'.'.join(one.path)}`", _type(one), "–" if one.default is None else f"`{_plain(one.default)}`", one.meaning)
        for one in leaves_of(Everything)
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(text: str) -> str:
    """The text of the guide with the table in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def _type(one: Option) -> str:
    schema = one.schema()
    by_layer = bool(one.field.metadata["by_layer"])
    text = _type_of(schema["anyOf"][0] if by_layer else schema)
    return f"{text}; by layer too" if by_layer else text


def _type_of(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{_plain(value)}`" for value in schema["enum"])
    if "description" in schema:
        return str(schema["description"])
    text = _TYPES[schema["type"]]
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f"{text}, {least} to {most}"
    return f"{text}, from {least}" if least is not None else text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    GUIDE.write_text(with_table(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
