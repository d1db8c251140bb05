"""What the journal's disk says when it takes nothing: full, read-only, broken or locked, as one error."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.errors import JournalFull

UNWRITABLE = frozenset(
    {
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
    }
)  # fmt: skip


@contextmanager
def writing(path: Path, what: str) -> Iterator[None]:
    """Raises JournalFull where SQLite finds that it cannot write `path`; `what` is what became of the change."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in UNWRITABLE:  # the low byte is the code, the rest says where
            raise
        raise JournalFull(
            f"the journal {path} cannot be written ({error}); {what}. Make room on its disk: the controller then goes "
            "on by itself, and nothing that is recorded is lost"
        ) from error
