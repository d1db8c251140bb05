"""Control and page channel on networks of their own: here two addresses of the loopback network."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.support.migrating import Controller
from tests.support.node_process import node
from tests.support.relay import Relay

pytestmark = pytest.mark.system

CONTROL, PAGES, TOLD = "127.0.0.1", "127.0.0.2", "127.0.0.3"
MEMORY_BYTES = 2 << 20


async def test_pages_go_where_sources_are_told_and_arrive_where_targets_listen(tmp_path: Path) -> None:
    async with (
        node("n1", tmp_path) as n1,
        node("n2", tmp_path, "--pages", PAGES, "--pages-advertise", TOLD) as n2,
    ):
        assert n2.address.startswith(f"{CONTROL}:")
        await n1.create("a", "tick=50 dirty=1 pages=200")
        controller = Controller(n1, n2)
        prepared = await controller.prepare()
        assert prepared.host == TOLD
        for address in (CONTROL, TOLD):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(socket.create_connection, (address, prepared.port), 5)
        async with Relay(f"{PAGES}:{prepared.port}", listen=(TOLD, prepared.port)) as relay:
            ready = (await controller.migrate(prepared)).ready_to_commit
            assert relay.connections == 1
            assert relay.bytes_up >= ready.bytes_sent >= 100 * 4096
        await controller.commit()


async def test_pages_host_alone_is_what_sources_are_told(tmp_path: Path) -> None:
    async with node("n1", tmp_path) as n1, node("n2", tmp_path, "--pages", PAGES) as n2:
        await n1.create("a", "tick=50")
        controller = Controller(n1, n2)
        prepared = await controller.prepare()
        assert prepared.host == PAGES
        await controller.migrate(prepared)
        await controller.commit()


async def test_without_a_word_pages_take_the_control_address(tmp_path: Path) -> None:
    every = ("--listen", "0.0.0.0:0", "--advertise", CONTROL)
    async with node("n1", tmp_path) as n1, node("n2", tmp_path, *every) as n2:
        await n1.create("a", "tick=50")
        controller = Controller(n1, n2)
        prepared = await controller.prepare()
        assert prepared.host == CONTROL
        await controller.migrate(prepared)
        await controller.commit()
