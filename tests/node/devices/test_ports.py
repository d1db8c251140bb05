"""The port map: byte registers, whole accesses, and nobody there."""

import pytest

from node.devices.ports import PortMap, PortTaken, Reader, Writer
from tests.node.devices.pc import Pc


def test_a_wide_access_to_byte_registers_is_split_lowest_address_first() -> None:
    ports, seen = PortMap(), list[tuple[int, int, int]]()

    def register(port: int) -> tuple[Reader, Writer]:
        return lambda now: port, lambda value, now: seen.append((port, value, now))

    for port in (0x10, 0x11, 0x13):
        ports.claim(port, *register(port))
    assert ports.read(0x10, 4, 7) == 0x13_FF_11_10
    ports.write(0x10, 4, 0x44332211, 7)
    assert seen == [(0x10, 0x11, 7), (0x11, 0x22, 7), (0x13, 0x44, 7)]


def test_a_register_of_whole_accesses_may_decline_a_width() -> None:
    ports, seen = PortMap(), list[int]()

    def write(port: int, width: int, value: int, now: int) -> bool:
        if width == 4:
            seen.append(value)
        return width == 4

    ports.claim_wide(0x20, 1, lambda port, width, now: 0xCAFE if width == 4 else None, write)
    assert (ports.read(0x20, 4, 0), ports.read(0x20, 2, 0), ports.read(0x20, 1, 0)) == (0xCAFE, 0xFFFF, 0xFF)
    ports.write(0x20, 1, 5, 0)
    ports.write(0x20, 4, 6, 0)
    assert seen == [6]


def test_a_port_has_one_owner() -> None:
    ports = PortMap()
    ports.claim(0x43, None, lambda value, now: None)
    ports.claim(0x11, lambda now: 0, None)
    for port in (0x11, 0x43, -1, 0x10000):
        with pytest.raises(PortTaken):
            ports.claim(port, lambda now: 0, None)


def test_listeners_hear_bytes_where_there_is_a_device_and_where_there_is_none() -> None:
    heard, stored = list[tuple[int, int]](), list[int]()
    ports = PortMap({port: lambda byte, port=port: heard.append((port, byte)) for port in (0x80, 0xE9)})  # type: ignore[misc]
    ports.claim(0x80, lambda now: stored[-1], lambda value, now: stored.append(value))
    ports.write(0x80, 1, 0x11, 0)
    ports.write(0xE8, 4, 0x44332211, 0)
    ports.write(0x81, 1, 0x55, 0)
    assert heard == [(0x80, 0x11), (0xE9, 0x22)]
    assert (stored, ports.read(0x80, 1, 0), ports.read(0xE8, 2, 0)) == ([0x11], 0x11, 0xE9FF)


@pytest.mark.parametrize("port", [0x20, 0x5D, 0x3F8, 0xCF9, 0xFFFD, 0x10000, -4])
def test_an_exit_port_on_top_of_another_device_is_refused_with_a_sentence(port: int) -> None:
    with pytest.raises(PortTaken, match=r"belongs to another device|outside the I/O space"):
        Pc(exit_port=port)
