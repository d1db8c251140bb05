"""How results are printed: the same rows as table, JSON, YAML or names. Data goes to stdout, messages to stderr.

A row is a plain dict; its keys are the schema, the same in every format (golden tests pin them). A list is always an
array, whatever its length. Numbers stay numbers, with the unit at the end of the key; only the table rounds for eyes.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]


class Format(StrEnum):
    """What `-o` takes."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: a heading, the key of the row, and how to show its value."""

    heading: str
    key: str
    show: Callable[[Any], str] = str
    right: bool = False


def emit_list(rows: Sequence[Row], columns: Sequence[Column], form: Format, *, name: str = "name") -> None:
    """A list of things, one row each."""
    if form is Format.NAME:
        for row in rows:
            print(row[name])
    elif form is Format.TABLE:
        print(table(rows, columns))
    else:
        print(serialised([dict(row) for row in rows], form))


def emit_one(row: Row, form: Format, *, text: Callable[[], str], name: str = "name") -> None:
    """One thing; `text` makes its table form."""
    if form is Format.NAME:
        print(row[name])
    elif form is Format.TABLE:
        print(text())
    else:
        print(serialised(dict(row), form))


def serialised(value: Any, form: Format) -> str:
    """JSON or YAML of plain data."""
    if form is Format.JSON:
        return json.dumps(value, indent=2, ensure_ascii=False)
    import yaml  # late: 30 ms that only YAML needs

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True)).rstrip("\n")


def table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Aligned columns under headings; the same on a terminal and in a pipe."""
    cells = [[column.show(row[column.key]) for column in columns] for row in rows]
    widths = [max(len(c.heading), *(len(line[i]) for line in cells), 0) for i, c in enumerate(columns)]
    lines = [[column.heading for column in columns], *cells]
    return "\n".join(_line(line, widths, columns) for line in lines)


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """`key   value` lines, empty values left out."""
    shown = [(key, value) for key, value in pairs if value != ""]
    width = max(len(key) for key, _ in shown)
    return "\n".join(f"{key:<{width}}  {value}" for key, value in shown)


def message(text: str) -> None:
    """To stderr: what is going on, never data."""
    print(text, file=sys.stderr, flush=True)


def fancy(stream: Any) -> bool:
    """May this stream be redrawn and coloured?"""
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    padded = [
        cell.rjust(width) if column.right else cell.ljust(width)
        for cell, width, column in zip(cells, widths, columns, strict=True)
    ]
    return "  ".join(padded).rstrip()
