"""The controller's truth: one SQLite file with a record of every change and tables of how things stand now.

Each method that changes something is one transaction: it appends a record and updates the tables, or does neither.
The process may be killed between any two of them. WAL; a record that others rely on (a VM exists, a migration was
begun, committed, aborted or has ended) is fsynced before the method returns (synchronous=FULL), what nodes merely
report is not: WAL is written in order, so a durable record never lacks an earlier one.

Whoever follows the journal hands in `on_record`, called after the transaction stands. One thread, no other writer.

When the disk is full (or broken) every change raises JournalFull and has not happened; nothing needs a restart once
there is room. A `note`, on which nothing depends, is kept and written with a later one.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.clock import Clock
from controller.errors import AlreadyExists, Internal, JournalFull, NotFound, Refused
from controller.journal_disk import writing
from controller.lifecycle import ENDED, MIGRATION, VM, MigrationState, VmState, step
from controller.rows import MigrationRow, NodeRow, Owner, Record, VmRow
from protos import common_pb2

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, unix_ns INTEGER NOT NULL, kind TEXT NOT NULL,
    vm TEXT NOT NULL, node TEXT NOT NULL, job TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS vms (
    name TEXT PRIMARY KEY, spec BLOB NOT NULL, image TEXT NOT NULL, node TEXT NOT NULL, epoch INTEGER NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, created_unix_ns INTEGER NOT NULL, migrations INTEGER NOT NULL,
    request_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS nodes (
    name TEXT PRIMARY KEY, address TEXT NOT NULL, version TEXT NOT NULL, memory_bytes INTEGER NOT NULL,
    cpus INTEGER NOT NULL, joined_unix_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS migrations (
    id TEXT PRIMARY KEY, vm TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, state TEXT NOT NULL,
    outcome TEXT NOT NULL, error TEXT NOT NULL, committed_unix_ns INTEGER NOT NULL, request_id TEXT NOT NULL,
    record BLOB NOT NULL, ended INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS one_migration_a_vm ON migrations (vm) WHERE ended = 0;
CREATE TABLE IF NOT EXISTS room (ballast BLOB NOT NULL);
"""
COUNTS = "SELECT kind, COUNT(*) FROM records GROUP BY kind ORDER BY kind"
VERSION = 1
ROOM_BYTES = 16_384  # more than the largest change of one verb takes
OWED_MAX = 1_000


class Journal:
    """Opens (or creates) the journal at `path`."""

    def __init__(self, path: Path, clock: Clock, *, on_record: Callable[[Record], None] | None = None) -> None:
        self._clock = clock
        self.on_record = on_record
        self._path = path
        self._owed: deque[Record] = deque(maxlen=OWED_MAX)
        with writing(self._path, "the controller cannot start"):
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            found = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if found not in (0, VERSION):
                self._db.close()
                raise Refused(f"{path} is a journal of version {found}; this controller reads version {VERSION}")
            self._db.executescript(SCHEMA)
            if found != VERSION:
                self._db.execute(f"PRAGMA user_version={VERSION}")

    def close(self) -> None:
        self._db.close()

    # Reading

    def records(self, after: int, limit: int = 1000) -> list[Record]:
        """Records with a sequence number greater than `after`, oldest first."""
        query = "SELECT * FROM records WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return [Record(*row) for row in self._db.execute(query, (after, limit))]

    def counts_by_kind(self) -> list[tuple[str, int]]:
        """How many records there are of each kind."""
        return [(str(kind), int(count)) for kind, count in self._db.execute(COUNTS)]

    def vm(self, name: str) -> VmRow:
        rows = self._vms("WHERE name = ?", name)
        if not rows:
            raise NotFound(f"there is no VM named {name!r}; `limosa list` shows those that exist")
        return rows[0]

    def has_vm(self, name: str) -> bool:
        return bool(self._vms("WHERE name = ?", name))

    def vms(self) -> list[VmRow]:
        return self._vms("ORDER BY name")

    def owners(self) -> list[Owner]:
        """All VMs without their definitions, for those who look often."""
        rows = self._db.execute("SELECT name, node, state, created_unix_ns FROM vms ORDER BY name")
        return [Owner(*row) for row in rows]

    def vms_on(self, node: str) -> list[VmRow]:
        return self._vms("WHERE node = ? ORDER BY name", node)

    def nodes(self) -> list[NodeRow]:
        return [NodeRow(*row) for row in self._db.execute("SELECT * FROM nodes ORDER BY name")]

    def migration(self, migration_id: str) -> MigrationRow:
        rows = self._migrations("WHERE id = ?", migration_id)
        if not rows:
            raise NotFound(f"there is no job {migration_id!r}; `limosa jobs` shows those that exist")
        return rows[0]

    def has_migration(self, migration_id: str) -> bool:
        return bool(self._migrations("WHERE id = ?", migration_id))

    def migrations(self, *, live: bool = False, last: int = 0) -> list[MigrationRow]:
        """In the order in which they began; only those that have not ended, only the last so many (0: all)."""
        where = "WHERE ended = 0 " if live else ""
        return self._migrations(f"{where}ORDER BY rowid DESC LIMIT ?", last or -1)[::-1]

    def live_migrations(self) -> list[MigrationRow]:
        return self.migrations(live=True)

    def live_migration_of(self, vm: str) -> MigrationRow | None:
        rows = self._migrations("WHERE vm = ? AND ended = 0", vm)
        return rows[0] if rows else None

    def migration_requested_as(self, request_id: str) -> MigrationRow | None:
        """The migration that an earlier delivery of the same request began."""
        rows = self._migrations("WHERE request_id = ?", request_id) if request_id else []
        return rows[0] if rows else None

    # VMs

    def place_vm(self, row: VmRow) -> None:
        """Before its node is asked to build it: from now on no restart can forget it."""
        if self.has_vm(row.name):
            raise AlreadyExists(f"there is already a VM named {row.name!r}; choose another name or destroy it first")
        with self._change("vm.placing", vm=row.name, node=row.node, text=f"to be built on {row.node}"):
            self._put_vm(row)

    def step_vm(self, name: str, event: str, *, reason: str = "", kind: str, text: str, durable: bool = False) -> VmRow:
        """One step of a VM's life; `gone` removes its row."""
        row = self.vm(name)
        after = replace(row, state=step(VM, row.state, event, what=f"VM {name!r}"), reason=reason)
        with self._change(kind, vm=name, node=row.node, text=text, durable=durable):
            if after.state is VmState.GONE:
                self._db.execute("DELETE FROM vms WHERE name = ?", (name,))
            else:
                self._put_vm(after)
        return after

    # Nodes

    def join_node(self, row: NodeRow) -> None:
        with self._change("node.joined", node=row.name, text=f"{row.name} joined from {row.address}"):
            self._db.execute(
                "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?, ?)",
                (row.name, row.address, row.version, row.memory_bytes, row.cpus, row.joined_unix_ns),
            )

    def forget_node(self, name: str, *, text: str) -> None:
        """The node will not come back; what it took part in stays in the records."""
        with self._change("node.forgotten", node=name, text=text):
            self._db.execute("DELETE FROM nodes WHERE name = ?", (name,))

    def note(self, kind: str, *, vm: str = "", node: str = "", job: str = "", text: str) -> None:
        """A record that changes no table: what was seen. If there is no room for it now, it is written later."""
        self._note(Record(0, self._clock.unix_ns(), kind, vm, node, job, text))

    def _note(self, record: Record) -> None:
        try:
            with self._recorded(record, durable=False):
                pass
        except JournalFull:
            self._owed.append(record)

    # Migrations

    def begin_migration(self, row: MigrationRow) -> None:
        """Before any node hears of it."""
        live = self.live_migration_of(row.vm)
        if live is not None:
            raise Refused(f"VM {row.vm!r} is already being migrated to {live.target} (job {live.id})")
        with self._change("migration.begun", vm=row.vm, node=row.source, job=row.id, text=f"to {row.target}"):
            self._put_migration(row)

    def step_migration(self, migration_id: str, event: str, *, text: str, **changes: object) -> MigrationRow:
        """One step other than the verdict, which is `decide`'s alone; `changes` replace columns of the row."""
        assert event not in ("commit", "abort", "revert"), "only the commit point decides"
        row = self.migration(migration_id)
        after = step(MIGRATION, row.state, event, what=f"migration {migration_id}")
        row = replace(row, state=after, **changes)  # type: ignore[arg-type]
        node = row.target if event in ("prepared", "activated") else row.source
        with self._change(f"migration.{event}", vm=row.vm, node=node, job=row.id, text=text):
            self._put_migration(row)
        return row

    def update_migration(self, row: MigrationRow, *, kind: str, text: str) -> None:
        """New figures in the record of a migration whose state stays (a round ended)."""
        assert self.migration(row.id).state is row.state
        with self._change(kind, vm=row.vm, node=row.source, job=row.id, text=text, durable=False):
            self._put_migration(row)

    def decide(self, migration_id: str, event: str, *, outcome: str = "", error: str = "") -> MigrationRow:
        """The commit point's transaction (see commit.py): the first verdict stands, a later one reads it.

        `commit` moves the ownership to the target and raises the epoch; `revert` moves it back under a new epoch.
        """
        row = self.migration(migration_id)
        after = MIGRATION.get(row.state, {}).get(event)
        if after is None:
            return row
        now = self._clock.unix_ns()
        owner = {"commit": row.target, "revert": row.source}.get(event)
        row = replace(row, state=after, outcome=outcome, error=error)
        if event == "commit":
            row = replace(row, committed_unix_ns=now)
        text = f"{row.target} owns the VM" if event == "commit" else error
        kind = {"commit": "migration.committed", "abort": "migration.aborted", "revert": "migration.reverted"}[event]
        with self._change(kind, vm=row.vm, node=owner or row.source, job=row.id, text=text):
            self._put_migration(row)
            if owner is not None:
                self._own(row.vm, owner, migrations=1 if event == "commit" else -1)
        return row

    def _own(self, vm: str, node: str, *, migrations: int) -> None:
        changed = self._db.execute(
            "UPDATE vms SET node = ?, epoch = epoch + 1, migrations = migrations + ? WHERE name = ?",
            (node, migrations, vm),
        )
        if changed.rowcount != 1:
            raise Internal(f"VM {vm!r} left the journal in the middle of its migration")

    # Room

    def check_room(self) -> None:
        """Raises JournalFull if a change could not be recorded now, so that nobody begins what he cannot write down.

        What is taken and given back here stays in the file as free pages, for the change that is to come.
        """
        with writing(self._path, "nothing was changed"), self._transaction(durable=False):
            self._db.execute("INSERT INTO room VALUES (zeroblob(?))", (ROOM_BYTES,))
            self._db.execute("DELETE FROM room")

    def write_owed(self) -> None:
        """The notes for which there was no room, if there is some now."""
        if self._owed:
            self._note(self._owed.pop())  # brings the others with it

    # Mechanism

    @contextmanager
    def _change(
        self, kind: str, *, vm: str = "", node: str = "", job: str = "", text: str, durable: bool = True
    ) -> Iterator[None]:
        """One transaction: the caller's changes and the record of them, then the followers are told."""
        with self._recorded(Record(0, self._clock.unix_ns(), kind, vm, node, job, text), durable=durable):
            yield

    @contextmanager
    def _recorded(self, record: Record, *, durable: bool) -> Iterator[None]:
        owed = () if durable else tuple(self._owed)  # what is urgent carries nothing else
        written: list[Record] = []
        what = f"this is not recorded: {record.text or record.kind}"
        with writing(self._path, what), self._transaction(durable=durable):
            yield
            written = [self._append(each) for each in (*owed, record)]
        for _ in owed:
            self._owed.popleft()
        for each in written:
            if self.on_record is not None:
                self.on_record(each)

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[None]:
        """All or nothing. A transaction that could not even be rolled back is, before the next one begins."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # else SQLite has done so itself, as it does when the disk is full
                self._db.execute("ROLLBACK")
            raise

    def _append(self, record: Record) -> Record:
        """Add a record; its number is known then."""
        cursor = self._db.execute(
            "INSERT INTO records (unix_ns, kind, vm, node, job, text) VALUES (?, ?, ?, ?, ?, ?)",
            (record.unix_ns, record.kind, record.vm, record.node, record.job, record.text),
        )
        return replace(record, sequence=int(cursor.lastrowid or 0))

    def _put_vm(self, row: VmRow) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO vms VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.name,
                row.spec.SerializeToString(),
                row.image,
                row.node,
                row.epoch,
                row.state.value,
                row.reason,
                row.created_unix_ns,
                row.migrations,
                row.request_id,
            ),
        )

    def _put_migration(self, row: MigrationRow) -> None:
        values = (
            row.id,
            row.vm,
            row.source,
            row.target,
            row.state.value,
            row.outcome,
            row.error,
            row.committed_unix_ns,
            row.request_id,
            row.record.SerializeToString(),
            int(row.state in ENDED),
        )
        self._db.execute(
            "INSERT INTO migrations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "state = excluded.state, outcome = excluded.outcome, error = excluded.error, "
            "committed_unix_ns = excluded.committed_unix_ns, record = excluded.record, ended = excluded.ended",
            values,
        )

    def _vms(self, clause: str, *values: str) -> list[VmRow]:
        rows = self._db.execute(f"SELECT * FROM vms {clause}", values)
        return [
            VmRow(name, common_pb2.VmSpec.FromString(spec), image, node, epoch, VmState(state), *rest)
            for name, spec, image, node, epoch, state, *rest in rows
        ]

    def _migrations(self, clause: str, *values: str | int) -> list[MigrationRow]:
        rows = self._db.execute(f"SELECT * FROM migrations {clause}", values)
        return [_migration(row) for row in rows]


def _migration(row: tuple[Any, ...]) -> MigrationRow:
    """The columns in the order of the table; `ended` is derived from the state and not read."""
    key, vm, source, target, state, outcome, error, committed_unix_ns, request_id, record, _ended = row
    return MigrationRow(
        id=key,
        vm=vm,
        source=source,
        target=target,
        state=MigrationState(state),
        outcome=outcome,
        error=error,
        committed_unix_ns=committed_unix_ns,
        request_id=request_id,
        record=common_pb2.MigrationRecord.FromString(record),
    )
