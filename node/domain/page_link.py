"""How two domains meet: one TCP connection, opened by the source, admitted by the token that the target's agent gave out.

    source                                    target
    connect                                   listens on a port of its own, for one migration
    token, 32 ASCII octets          ->        equal (in constant time)? else closed, and the next one is accepted
    the stream of node/migration/STREAM.md

Whoever can reach the port can knock; only the token's holder is let through, once, and then the port is closed. A
knocker that sends nothing is shown out after `KNOCK_S`.
"""

import asyncio
import secrets
import socket

from node.migration.errors import LinkLost

TOKEN_BYTES = 32
KNOCK_S = 5.0
CONNECT_S = 10.0


class Port:
    """A listening socket that lets one peer in."""

    def __init__(self, host: str, token: str) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.bind(address)
        self._socket.listen(4)
        self._socket.setblocking(False)
        self._token = token.encode()

    @property
    def number(self) -> int:
        return int(self._socket.getsockname()[1])

    async def admit(self) -> socket.socket:
        """The connection of the token's holder; then nobody else is admitted."""
        try:
            while True:
                knocking, _ = await asyncio.get_running_loop().sock_accept(self._socket)
                if await self._has_token(knocking):
                    return knocking
                knocking.close()
        finally:
            self.close()

    def close(self) -> None:
        self._socket.close()

    async def _has_token(self, knocking: socket.socket) -> bool:
        shown = b""
        try:
            async with asyncio.timeout(KNOCK_S):
                while len(shown) < TOKEN_BYTES:
                    part = await asyncio.get_running_loop().sock_recv(knocking, TOKEN_BYTES - len(shown))
                    if not part:
                        return False
                    shown += part
        except (OSError, TimeoutError):
            return False
        return secrets.compare_digest(shown, self._token)


async def knock(host: str, port: int, token: str) -> socket.socket:
    """A connection to the target's port, the token shown."""
    loop = asyncio.get_running_loop()
    connection: socket.socket | None = None
    try:
        async with asyncio.timeout(CONNECT_S):
            family, _, _, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.setblocking(False)
            await loop.sock_connect(connection, address)
            await loop.sock_sendall(connection, token.encode())
            return connection
    except (OSError, TimeoutError) as error:
        if connection is not None:
            connection.close()
        raise LinkLost(f"no connection to the target at {host}:{port}: {error or 'it does not answer'}") from error
