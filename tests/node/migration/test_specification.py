"""STREAM.md says what the code does: its tables of records and of their order are the code's."""

import re
from pathlib import Path

import node.migration.verify as second
from node.migration import order
from node.migration.stream import HEAD, MAGIC, OPENING_BYTES, RECORDS
from node.migration.wire import STREAM_VERSION, Type

TEXT = (Path(second.__file__).parent / "STREAM.md").read_text()
ROW = re.compile(r"^\| (\d+) \| ([A-Z_]+) \| (source|target) \| (\d+)(?: \.\. (\d+))? \|", re.MULTILINE)


def test_the_table_of_records_is_the_codes() -> None:
    said = {
        int(number): (name, who == "source", int(least), int(most or least))
        for number, name, who, least, most in ROW.findall(TEXT)
    }
    done = {int(kind): (kind.name, kind < 64, *record.LIMITS) for kind, record in RECORDS.items()}
    assert said == done


def test_the_second_reader_has_the_same_limits() -> None:
    theirs = {int(kind): (kind.name, *record.LIMITS) for kind, record in RECORDS.items() if kind < 64}
    assert theirs == second.SHAPES


def test_the_table_of_orders_is_the_codes() -> None:
    section = TEXT[TEXT.index("## 5. Order") : TEXT.index("Anything else is an error")]
    forward, back = {}, {}
    for line in section.splitlines():
        columns = re.split(r"\s{2,}", line.strip())
        if len(columns) == 6 and columns[0] not in ("state", "forward"):
            forward[columns[0], columns[1]] = columns[2]
            back[columns[3], columns[4]] = columns[5]
    assert forward == rows(order.SOURCE, {"ABORT"})
    assert back == rows(order.TARGET, {"FAILED"})


def rows(table: dict[str, dict[order.Event, str]], anywhere: set[str]) -> dict[tuple[str, str], str]:
    """The code's table as the specification writes it: what may come anywhere is one row."""
    names = {order.LAST_ROUND_END: "ROUND_END, last"}
    flat = {
        (state, event.name if isinstance(event, Type) else names[event]): after
        for state, events in table.items()
        for event, after in events.items()
    }
    for name in anywhere:
        assert all(flat.pop((state, name)) == "closed" for state in table if state != "closed")
        flat["any", name] = "closed"
    return flat


def test_the_fixed_sizes_and_the_version_are_the_codes() -> None:
    assert f"## 2. Opening: {OPENING_BYTES} octets" in TEXT and f"## 3. Record head: {HEAD.size} octets" in TEXT
    assert TEXT.startswith(f"# The migration stream, version {STREAM_VERSION}\n")
    assert MAGIC == b"\x89LIMOSA\n" and "| 89 hex   'L'     'I'     'M'     'O'     'S'     'A'   0A hex |" in TEXT
