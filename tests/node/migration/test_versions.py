"""Peers that are not what they should be, each at the other end of a link: a clear error on this side, at once."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from node.migration.answers import Accept, Loaded, Ready, Received, Taken
from node.migration.channel import Channel
from node.migration.errors import LinkLost, MigrationError, StreamCorrupt, TargetRefused
from node.migration.link import Inline, Link
from node.migration.modelled import pair
from node.migration.outgoing import Plan
from node.migration.records import Abort, Header, RoundEnd, State, Zeros
from node.migration.report import Report
from node.migration.source import migrate_out
from node.migration.stream import MAGIC, Reader, Writer
from node.migration.target import migrate_in
from node.migration.twin import TwinMachine
from node.migration.virtual import VirtualTime
from node.migration.wire import Record

Peer = Callable[[Link], Coroutine[Any, Any, None]]


class Unasked:
    async def decide(self, ready: object) -> Any:
        raise AssertionError("the authority must not be asked")


def source_meets(peer: Peer) -> Report:
    time, machine = VirtualTime(), TwinMachine(8192, running=True)
    near, far = pair(time)
    task = time.spawn(
        "source", migrate_out(machine, near, Plan("m"), clock=time, workers=Inline(), authority=Unasked())
    )
    time.spawn("peer", peer(far))
    time.run(task)
    time.close()
    assert machine.running and not machine.tracking
    machine.memory.close()
    report: Report = task.result()
    assert report.runs_on == "source"
    return report


def target_meets(peer: Peer) -> MigrationError:
    time, machine = VirtualTime(), TwinMachine(8192)
    near, far = pair(time)
    task = time.spawn("target", migrate_in(machine, near, "m", clock=time, workers=Inline()))
    time.spawn("peer", peer(far))
    time.run(task)
    time.close()
    assert not machine.running
    machine.memory.close()
    with pytest.raises(MigrationError) as caught:
        task.result()
    return caught.value


def target_saying(*records: Record, version: int = 1) -> Peer:
    async def peer(link: Link) -> None:
        channel = Channel(link, Writer("target", version), Reader("source"))
        await channel.send_opening()
        for record in records:
            for buffer in channel.writer.record(record):
                await link.send([buffer])
        await link.receive_into(memoryview(bytearray(1 << 20)))

    return peer


def source_saying(*records: Record, version: int = 1) -> Peer:
    async def peer(link: Link) -> None:
        channel = Channel(link, Writer("source", version), Reader("target"))
        await channel.send_opening()
        for record in records:
            await channel.send(record)
        await link.receive_into(memoryview(bytearray(1 << 20)))

    return peer


def raw(data: bytes) -> Peer:
    async def peer(link: Link) -> None:
        await link.send([data])
        await link.receive_into(memoryview(bytearray(1 << 20)))

    return peer


HEADER = Header("m", "pre-copy", 8192, 0)


def test_a_source_says_which_version_the_target_speaks() -> None:
    report = source_meets(target_saying(version=2))
    assert report.kind == "target-refused"
    assert "the target speaks stream version 2, this side reads version 1" in report.error


def test_a_target_says_which_version_the_source_speaks() -> None:
    error = target_meets(source_saying(HEADER, version=2))
    assert isinstance(error, TargetRefused)
    assert "the source speaks stream version 2, this side reads version 1" in str(error)


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, MAGIC * 4])
def test_whoever_does_not_speak_the_stream_is_a_corrupt_stream(greeting: bytes) -> None:
    assert source_meets(raw(greeting)).kind == "stream-corrupt"
    assert isinstance(target_meets(raw(greeting)), StreamCorrupt)


def test_a_peer_that_hangs_up_at_once_is_a_lost_link() -> None:
    async def gone(link: Link) -> None:
        await link.close()

    assert source_meets(gone).kind == "link-lost"
    assert isinstance(target_meets(gone), LinkLost)


def test_a_target_refuses_another_migration() -> None:
    error = target_meets(source_saying(Header("other", "pre-copy", 8192, 0)))
    assert isinstance(error, TargetRefused) and "migration other came where m was expected" in str(error)


def test_a_target_refuses_a_state_that_is_not_its_machines() -> None:
    error = target_meets(
        source_saying(
            HEADER, Zeros(1, [(0, 2)]), RoundEnd(1, True, 0, 2, _octets(HEADER, Zeros(1, [(0, 2)]))), State(b"?")
        )
    )
    assert isinstance(error, TargetRefused) and "snapshot" in str(error)


def _octets(*records: Record) -> int:
    writer = Writer("source")
    writer.opening()
    for record in records:
        writer.record(record)
    return writer.octets


def test_a_sources_abort_is_the_targets_error() -> None:
    from node.migration.errors import Cancelled

    error = target_meets(source_saying(HEADER, Abort(Cancelled("changed my mind"))))
    assert isinstance(error, Cancelled) and str(error) == "the source says: changed my mind"


def test_a_target_that_takes_the_wrong_round_is_found_out() -> None:
    assert source_meets(target_saying(Accept(), Taken(9))).kind == "stream-corrupt"


def test_a_target_that_speaks_out_of_turn_is_found_out() -> None:
    report = source_meets(target_saying(Accept(), Received(0, 0, 0), Loaded(0), Ready(bytes(16), 0)))
    assert report.kind == "stream-corrupt"


def test_a_target_that_counted_otherwise_is_found_out() -> None:
    async def peer(link: Link) -> None:
        await target_saying(Accept(), Taken(1), Received(1, 1, 1))(link)

    report = source_meets(peer)
    assert report.kind == "stream-corrupt"
