"""Migrations between two real node processes whose page channel is damaged on its way, record by record.

Whatever happens to the stream before the commit: a failure with a name, the VM running where it was, nothing left on
the target, and the next migration succeeds.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from node.migration.wire import Type
from protos import common_pb2
from tests.support.meddler import FIRST_BACK_TYPE, Fault, Meddler
from tests.support.migrating import Controller
from tests.support.node_process import NodeProcess, eventually, listening_ports, node

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

PROGRAM = "tick=50000 dirty=5 pages=32"
OPENING = 0
BOUND_S = 20.0
NOT_IN_A_GOOD_MIGRATION = {Type.PAGE_DIGESTS, Type.ABORT, Type.REFUSE, Type.DIFFERS, Type.MISMATCH, Type.FAILED}
RECORDS = [OPENING, *(each for each in Type if each not in NOT_IN_A_GOOD_MIGRATION)]
EMPTY = {Type.ACCEPT}

Pair = tuple[NodeProcess, NodeProcess]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    path = tmp_path_factory.mktemp("pair")
    async with node("n1", path) as n1, node("n2", path) as n2:
        await n1.create("a", PROGRAM)
        await attempt((n1, n2))  # what a process opens once and keeps is open then
        for each in (n1, n2):
            await each.emptied()
        yield n1, n2


@pytest_asyncio.fixture(loop_scope="module")
async def pair(nodes: Pair) -> AsyncIterator[Pair]:
    """A VM on the first; what a test leaves can be ended, and then nothing of it is left."""
    await nodes[0].create("a", PROGRAM)
    yield nodes
    for each in nodes:
        await each.emptied()


def descriptors(pair: Pair) -> int:
    """How many the two agents have open."""
    return sum(each.descriptors() for each in pair)


async def attempt(pair: Pair, fault: Fault | None = None) -> tuple[Controller, Any, Meddler]:
    """One migration through a relay that commits the fault; the controller, its last event, the relay."""
    controller = Controller(*pair)
    prepared = await controller.prepare()
    async with Meddler(prepared.port, fault) as meddler:
        last = await controller.migrate(prepared, host="127.0.0.1", port=meddler.listening)
    return controller, last, meddler


async def runs_on_and_nothing_is_left(pair: Pair) -> None:
    """The VM executes at the source; the target has no VM, no domain and no open port of the attempt."""
    source, target = pair
    executed = (await source.in_state("a", common_pb2.VM_STATE_RUNNING)).instructions
    async with asyncio.timeout(BOUND_S):
        while (await source.vm("GetVm", "a")).instructions == executed or await target.states():
            await asyncio.sleep(0.02)
    await eventually(lambda: len(target.children()) == 1)
    assert not any(listening_ports(child) for child in target.children())


async def fails_and_leaves_nothing(pair: Pair, fault: Fault) -> Any:
    """What the source says of it; the VM runs on, and the nodes hold what they held."""
    before = descriptors(pair)
    controller, last, meddler = await attempt(pair, fault)
    assert meddler.struck, f"{fault} struck nothing: {sorted(meddler.passed)}"
    assert last.WhichOneof("event") == "failed", f"{fault} went unseen: {last}"
    assert last.failed.error and "Traceback" not in last.failed.error
    await controller.tell(pair[1], "AbortIncoming")
    await runs_on_and_nothing_is_left(pair)
    held = partial(descriptors, pair)
    await eventually(lambda: held() <= before, explain=lambda: f"{held()} descriptors instead of {before}")
    return last.failed


def faults(record: int, chance: random.Random) -> list[Fault]:
    """What can befall a record: a bit in its head or body, a cut in its head or body."""
    places = [False] if record in EMPTY or record == OPENING else [False, True]
    return [
        Fault(record, kind, in_body, chance.random(), chance.randrange(8), backward=record >= FIRST_BACK_TYPE)
        for in_body in places
        for kind in ("flip", "cut")
    ]


async def test_every_record_type_passes_in_a_good_migration(pair: Pair) -> None:
    controller, last, meddler = await attempt(pair)
    assert last.WhichOneof("event") == "ready_to_commit"
    assert meddler.passed == set(RECORDS) - {OPENING}, "the damage below reaches every type there is"
    await controller.commit()


async def test_damage_to_any_record_fails_the_migration_and_nothing_else(pair: Pair) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    kinds: Counter[str] = Counter()
    for record in RECORDS:
        for fault in faults(record, chance):
            failed = await fails_and_leaves_nothing(pair, fault)
            kinds[failed.kind] += 1
    print(f"kinds of failures: {dict(kinds)}")
    _, last, _ = await attempt(pair)
    assert last.WhichOneof("event") == "ready_to_commit"


@pytest.mark.parametrize("backward", [False, True], ids=["source", "target"])
async def test_peer_of_another_stream_version_is_told_apart(pair: Pair, backward: bool) -> None:
    failed = await fails_and_leaves_nothing(pair, Fault(OPENING, "version", backward=backward))
    assert "version 2" in failed.error and "version 1" in failed.error, failed
    print(f"{failed.kind}: {failed.error}")
    _, last, _ = await attempt(pair)
    assert last.WhichOneof("event") == "ready_to_commit"


async def test_strangers_at_the_page_port_are_hung_up_on_and_the_migration_goes_on(pair: Pair) -> None:
    controller = Controller(*pair)
    prepared = await controller.prepare()
    writers = []
    for greeting in (b"GET / HTTP/1.1\r\n\r\n", b"LIMOPAGE" + bytes(32), b"", bytes(range(256)) * 64):
        _, writer = await asyncio.open_connection(prepared.host, prepared.port)
        writer.write(greeting)
        writers.append(writer)
    assert (await controller.migrate(prepared)).WhichOneof("event") == "ready_to_commit"
    await controller.commit()
    for writer in writers:
        writer.close()
    assert not any(listening_ports(child) for child in pair[1].children())
