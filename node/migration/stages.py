"""The stages that every algorithm is made of, at the source (names and order: Clark et al., NSDI 2005, §3).

    reserve      1 reservation       the target says that it has room for this machine
    send_round   2, 3                one pass over some pages
    stop         3 stop-and-copy     pause the guest, send what is left, then CPU and devices
    confirm      3, its end          the target has it all, loaded, and its digest is ours
    commit       4 commitment        the authority decides who owns the VM

Stage 5, activation, is the target's and its agent's. The downtime begins in `stop`; every stretch of waiting after it
is marked for the part that was waited for, all on the source's clock.
"""

from dataclasses import replace
from functools import partial

from node.migration import snapshot
from node.migration.answers import Accept, Differs, Loaded, Ready, Received, Taken
from node.migration.channel import expected
from node.migration.commit import Ready as ReadyToCommit
from node.migration.commit import Verdict
from node.migration.digest import chunk_digests, combine, page_digests
from node.migration.errors import Cancelled, StreamCorrupt, VerifyMismatch
from node.migration.outgoing import Outgoing, per_second
from node.migration.pages import either, zero_records
from node.migration.records import DigestRecord, End, Header, PageDigests, RoundEnd, State
from node.migration.report import DowntimeClock, Round
from node.migration.wire import Record


async def reserve(out: Outgoing) -> None:
    """Introduce ourselves and wait for the target's yes."""
    memory = out.machine.memory
    header = Header(out.plan.migration_id, out.plan.algorithm, memory.ram_bytes, memory.rom_bytes)
    await out.channel.send_opening()
    await out.send(header)
    await out.channel.receive_opening()
    expected(await out.answer(), Accept)
    out.setup_ns = out.now() - out.started_ns


async def send_round(out: Outgoing, *, last: bool = False) -> Round:
    """Send `out.remaining`, page by page marked or copied; the round is not yet judged.

    A round ends when the target has taken it, not when the socket has: else the bandwidth would be the buffers', and
    the guest would be paused while the target still works off what lies in them.
    """
    number, total, sent = len(out.rounds) + 1, len(out.remaining), 0
    begun, before = out.now(), out.channel.writer.octets
    normal = zero = 0
    for batch in out.reader.batches(out.remaining, out.plan.batch_pages):
        await out.attend()
        for record in zero_records(number, batch.zero):
            await out.send(record)
        if len(batch.normal):
            await out.send(out.reader.pages(number, batch.normal))
        normal += len(batch.normal)
        zero += len(batch.zero)
        sent = normal + zero
        out.progress(sent, total, begun, before)
    await out.send(RoundEnd(number, last, normal, zero, out.channel.writer.octets))
    if not last and expected(await out.answer(), Taken).round != number:
        raise StreamCorrupt(f"the target took another round than {number}")
    octets, duration = out.channel.writer.octets - before, out.now() - begun
    return Round(number, normal, zero, octets, duration, bytes_per_s=per_second(octets, duration))


def enter_round(out: Outgoing, done: Round) -> None:
    """The round is complete: keep it and show it."""
    out.rounds.append(done)
    out.observe(done)


async def stop(out: Outgoing) -> None:
    """Pause the guest, send the pages that are still to be sent, then the state."""
    memory = out.machine.memory
    await out.attend()
    out.downtime = DowntimeClock(out.now())
    out.paused = True
    out.machine.pause()
    out.mark("stop")
    out.hashing = out.workers.begin(partial(chunk_digests, memory))
    if out.tracking:
        out.remaining = either(memory.pages, out.remaining, out.machine.collect_dirty())
        out.machine.stop_tracking()
        out.tracking = False
    done = await send_round(out, last=True)
    enter_round(out, replace(done, verdict="stop-and-copy", reason="the last round: the guest stood still"))
    out.mark("last_pages")
    out.snapshot = snapshot.encode(out.machine.records())
    await out.send(State(out.snapshot))
    out.octets_to_state = out.channel.writer.octets
    out.mark("state")


async def confirm(out: Outgoing) -> None:
    """Send the digest; wait until the target has received, loaded and verified everything."""
    assert out.hashing is not None, "confirm comes after stop"
    out.digest = combine(out.machine.memory, await out.hashing, out.snapshot)
    normal, zero = _totals(out)
    await out.send(DigestRecord(out.digest.total, out.digest.state, out.digest.chunks))
    await out.send(End(out.channel.writer.records, normal, zero, out.channel.writer.octets))
    out.mark("verify")

    received = expected(await out.answer(), Received)
    if received != Received(normal, zero, out.octets_to_state):
        raise StreamCorrupt(f"the target counted {received}, the source {normal}, {zero}, {out.octets_to_state}")
    out.mark("transfer")
    expected(await out.answer(), Loaded)
    out.mark("load")
    await _agree(out, await out.answer())
    out.mark("verify")


async def _agree(out: Outgoing, answer: Record) -> None:
    """The target's last word on the digest; if a chunk differs, help it to name the page."""
    assert out.digest is not None
    if isinstance(answer, Differs):
        await out.send(PageDigests(answer.chunk, page_digests(out.machine.memory, answer.chunk)))
        answer = await out.answer()  # raises: a MISMATCH
    if expected(answer, Ready).digest != out.digest.total:
        raise VerifyMismatch("the target says it is ready, with another digest than the source's")


async def commit(out: Outgoing) -> None:
    """Ask who owns the VM. From the asking to the answer the guest stays paused, come what may."""
    assert out.downtime is not None and out.digest is not None, "commit comes after confirm"
    out.check_cancel()
    normal, zero = _totals(out)
    parts = out.downtime.result()
    ready = ReadyToCommit(
        migration_id=out.plan.migration_id,
        digest=out.digest.total.hex(),
        parts=parts,
        paused_for_ns=sum(part.duration_ns for part in parts),
        setup_ns=out.setup_ns,
        bytes_sent=out.channel.writer.octets,
        pages_normal=normal,
        pages_zero=zero,
    )
    out.asked = True
    out.verdict = await out.authority.decide(ready)
    out.mark("commit")
    if out.verdict is Verdict.ABORT:
        raise Cancelled("the commit authority decided against the target")


def _totals(out: Outgoing) -> tuple[int, int]:
    return sum(r.pages_normal for r in out.rounds), sum(r.pages_zero for r in out.rounds)
