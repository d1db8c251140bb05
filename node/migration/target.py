"""The target's end: takes a machine in, holds it verified, and never runs it.

`migrate_in` returns when everything is received, loaded, verified against the source's digest and READY was handed to
the link. From then on no link decides about the machine: only the target's own agent, on the commit authority's word,
runs it or frees it (so a link that is lost under READY is no failure here: the source may have read it). Any failure
before that is told to the source if the link allows, and raised; the caller frees the machine. What the target writes
on the way is guest memory and, once all octets are in and checked, the records.
"""

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from node.migration import snapshot
from node.migration.answers import Accept, Differs, Failed, Loaded, Mismatch, Ready, Received, Refuse, Taken
from node.migration.channel import Channel, expected
from node.migration.digest import Digest, chunk_digests, combine, page_digests, split
from node.migration.errors import (
    LinkLost,
    MigrationError,
    StreamCorrupt,
    TargetRefused,
    VerifyMismatch,
    as_migration_error,
)
from node.migration.ledger import Ledger
from node.migration.link import Clock, Link, Workers
from node.migration.machines import TargetMachine
from node.migration.pages import PageLanding
from node.migration.records import Abort, DigestRecord, End, Header, PageDigests, Pages, RoundEnd, State, Zeros
from node.migration.stream import Reader, Writer
from node.migration.wire import CHUNK_BYTES, PAGE_BYTES, Record


@dataclass(frozen=True, slots=True)
class Held:
    """A machine that is verified and waits for its authority's word."""

    digest: str
    pages_normal: int
    pages_zero: int
    bytes_received: int


async def migrate_in(machine: TargetMachine, link: Link, migration_id: str, *, clock: Clock, workers: Workers) -> Held:
    """Take the machine in; raises a MigrationError when that fails, and whatever is thrown in."""
    incoming = _Incoming(machine, link, migration_id, clock, workers)
    try:
        return await incoming.run()
    except BaseException as error:
        failure = as_migration_error(error)
        if not isinstance(failure, LinkLost) and not incoming.aborted:
            await incoming.channel.tell(incoming.last_word(failure))
            if isinstance(error, Exception):
                await incoming.channel.drain()
        if isinstance(error, Exception) and failure is not error:
            raise failure from error
        raise
    finally:
        await link.close()


class _Incoming:
    """One migration at its target, while it lasts."""

    def __init__(self, machine: TargetMachine, link: Link, migration_id: str, clock: Clock, workers: Workers) -> None:
        self.machine = machine
        self.migration_id = migration_id
        self.clock = clock
        self.workers = workers
        self.landing = PageLanding(machine.memory)
        self.channel = Channel(link, Writer("target"), Reader("source", self.landing))
        self.ledger = Ledger(machine.memory.pages)
        self.admitted = False
        self.aborted = False  # by the source: it needs no answer
        self.hashing: Awaitable[bytes] | None = None

    async def run(self) -> Held:
        await self.admit()
        await self.take_rounds()
        theirs = await self.load(expected(await self.next(), State))
        return await self.verify(theirs)

    def last_word(self, failure: MigrationError) -> Record:
        return Failed(failure) if self.admitted else Refuse(failure)

    async def next(self) -> Record:
        """The source's next record; its abort is raised."""
        record = await self.channel.receive()
        if isinstance(record, Abort):
            self.aborted = True
            raise type(record.error)(f"the source says: {record.error.sentence}")
        return record

    async def admit(self) -> None:
        """Each side states its version first, so that both can say what is wrong; then, is this our machine?"""
        await self.channel.send_opening()
        await self.channel.receive_opening()
        header = expected(await self.next(), Header)
        memory = self.machine.memory
        if header.migration_id != self.migration_id:
            raise TargetRefused(f"migration {header.migration_id} came where {self.migration_id} was expected")
        if (header.ram_bytes, header.rom_bytes) != (memory.ram_bytes, memory.rom_bytes):
            raise TargetRefused(
                f"the source's machine has {header.ram_bytes} + {header.rom_bytes} octets of RAM and ROM, "
                f"the target's has {memory.ram_bytes} + {memory.rom_bytes}"
            )
        await self.channel.send(Accept())
        self.admitted = True

    async def take_rounds(self) -> None:
        """Pages, until the last round has ended; then memory is complete and its digest can begin."""
        while True:
            octets_before = self.channel.reader.octets
            record = await self.next()
            match record:
                case Pages():
                    self.ledger.enter_pages(record)
                case Zeros():
                    for first, count in self.ledger.enter_zeros(record):
                        self.landing.zero(first, count)
                case RoundEnd():
                    self.ledger.end_round(record, octets_before)
                    if record.last:
                        break
                    await self.channel.send(Taken(record.round))
                case _:
                    raise StreamCorrupt(f"{record.TYPE.name} came among the pages")
        self.hashing = self.workers.begin(partial(chunk_digests, self.machine.memory))

    async def load(self, state: State) -> bytes:
        """CPU and devices; returns the source's snapshot."""
        reader = self.channel.reader
        await self.channel.send(Received(self.ledger.pages_normal, self.ledger.pages_zero, reader.octets))
        begun = self.clock.now_ns()
        try:
            snapshot.decode(state.snapshot, self.machine.records())
        except snapshot.SnapshotError as error:
            raise TargetRefused(str(error)) from None
        self.machine.loaded()
        await self.channel.send(Loaded(self.clock.now_ns() - begun))
        return state.snapshot

    async def verify(self, their_snapshot: bytes) -> Held:
        """Our digest, made from what this machine holds now, against the source's."""
        assert self.hashing is not None, "verify comes after the rounds"
        begun = self.clock.now_ns()
        mine_snapshot = snapshot.encode(self.machine.records())
        said = expected(await self.next(), DigestRecord)
        records, octets = self.channel.reader.records, self.channel.reader.octets
        self.ledger.end(expected(await self.next(), End), records, octets)
        mine = combine(self.machine.memory, await self.hashing, mine_snapshot)
        theirs = Digest(said.total, said.state, said.chunks)
        if mine != theirs:
            raise await self.name_difference(mine, theirs, mine_snapshot, their_snapshot)
        with suppress(LinkLost):  # how much of it arrived nobody here can know: the source may be committing already
            await self.channel.send(Ready(mine.total, self.clock.now_ns() - begun))
        ledger, reader = self.ledger, self.channel.reader
        return Held(mine.total.hex(), ledger.pages_normal, ledger.pages_zero, reader.octets)

    async def name_difference(
        self, mine: Digest, theirs: Digest, my_snapshot: bytes, their_snapshot: bytes
    ) -> VerifyMismatch:
        """Find the first thing that differs, tell the source, and return the error."""
        if len(mine.chunks) != len(theirs.chunks):
            raise StreamCorrupt("DIGEST has another number of chunks than the machine")
        page, what = Mismatch.NO_PAGE, "the digest of digests"
        chunk = mine.first_differing_chunk(theirs)
        if chunk is not None:
            page = await self._first_differing_page(chunk)
            what = f"page {page:#x} (offset {page * PAGE_BYTES:#x} of its memory)"
        elif mine.state != theirs.state:
            what = snapshot.first_difference(my_snapshot, their_snapshot) or "the state's digest"
        await self.channel.send(Mismatch(page, what))
        return VerifyMismatch(f"the target's copy differs from the source in {what}")

    async def _first_differing_page(self, chunk: int) -> int:
        await self.channel.send(Differs(chunk))
        said = expected(await self.next(), PageDigests)
        mine = page_digests(self.machine.memory, chunk)
        if said.chunk != chunk or len(said.digests) != len(mine):
            raise StreamCorrupt(f"PAGE_DIGESTS is not of chunk {chunk}")
        first = chunk * (CHUNK_BYTES // PAGE_BYTES)
        for number, (ours, theirs) in enumerate(zip(split(mine), split(said.digests), strict=True)):
            if ours != theirs:
                return first + number
        raise StreamCorrupt(f"chunk {chunk} differs but none of its pages does")
