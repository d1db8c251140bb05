"""A journal whose disk is full: by SQLite's own limit, or by an error put in the way of a COMMIT."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controller.journal import Journal

NO_LIMIT = 1 << 30
FILLER = "INSERT INTO records (unix_ns, kind, vm, node, job, text) VALUES (0, '', '', '', '', '')"


def fill(journal: Journal) -> None:
    """No page more, and those that there are filled up with the smallest records there can be."""
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    while True:
        try:
            journal._db.execute(FILLER)
        except sqlite3.OperationalError as error:
            assert error.sqlite_errorcode == sqlite3.SQLITE_FULL
            return


def make_room(journal: Journal) -> None:
    journal._db.execute(f"PRAGMA max_page_count={NO_LIMIT}")


class FailingDisk:
    """The journal's database, except that a COMMIT fails after `lets` more of them, as when the disk breaks off."""

    def __init__(self, db: sqlite3.Connection, lets: int) -> None:
        self._db = db
        self.lets = lets
        self.refused = 0

    def execute(self, statement: str, values: Any = ()) -> sqlite3.Cursor:
        if statement == "COMMIT":
            if self.lets <= 0:
                self.refused += 1
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
                raise error
            self.lets -= 1
        return self._db.execute(statement, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@contextmanager
def failing(journal: Journal, *, lets: int = 0) -> Iterator[FailingDisk]:
    """The disk fails inside this block."""
    db = journal._db
    disk = FailingDisk(db, lets)
    journal._db = disk  # type: ignore[assignment]
    try:
        yield disk
    finally:
        journal._db = db
