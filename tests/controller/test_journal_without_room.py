"""The disk under the journal fills up: every change is refused with a sentence, all of it or none is there, and with
room the journal goes on.

The fault is SQLite's own: a bound on its pages, beyond which it says what it says of a full disk.
"""

from pathlib import Path

import pytest

from controller.clock import ManualClock
from controller.errors import outcome_of
from controller.journal import Journal, JournalUnwritable
from controller.rows import NodeRow

PLENTY = 1 << 20


def row(number: int, *, version: str = "1") -> NodeRow:
    return NodeRow(f"n{number}", f"host:{number}", version, 1 << 30, 2, 0)


def limited(journal: Journal, pages: int) -> None:
    journal._db.execute(f"PRAGMA max_page_count={pages}")


def full(path: Path) -> tuple[Journal, int]:
    """A journal that takes no more, and how many nodes it took."""
    journal = Journal(path, ManualClock())
    limited(journal, 1)  # SQLite makes of it what is there already
    for number in range(1000):
        try:
            journal.join_node(row(number, version="x" * 500))
        except JournalUnwritable:
            return journal, number
    raise AssertionError("it never became full")


def test_a_change_that_finds_no_room_is_refused_whole(tmp_path: Path) -> None:
    journal, taken = full(tmp_path / "journal.db")
    assert len(journal.nodes()) == taken
    assert len(journal.records(0)) == taken, "a record without its change, or the reverse"
    with pytest.raises(JournalUnwritable, match=r"journal\.db cannot be written .*full.*nothing was changed") as caught:
        journal.join_node(row(9999, version="x" * 5000))
    assert outcome_of(caught.value).code == "RESOURCE_EXHAUSTED"


def test_with_room_again_the_same_journal_goes_on(tmp_path: Path) -> None:
    journal, taken = full(tmp_path / "journal.db")
    limited(journal, PLENTY)
    journal.join_node(row(9999))
    assert len(journal.nodes()) == taken + 1


def test_nothing_is_lost_to_the_next_who_opens_it(tmp_path: Path) -> None:
    journal, taken = full(tmp_path / "journal.db")
    before = journal.nodes()
    journal.close()
    assert Journal(tmp_path / "journal.db", ManualClock()).nodes() == before and len(before) == taken


def test_a_journal_that_cannot_even_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalUnwritable, match="cannot be written"):
        Journal(Path("/dev/full"), ManualClock())
