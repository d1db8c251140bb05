"""Giving up an answer that is on its way out of a stream.

An asynchronous generator cannot be closed while it still runs ("asynchronous generator is already running"), and it
runs until the task that waits for its next item has taken notice of its cancellation. So that must be waited for,
also by those who are cancelled while they wait: a client may vanish in the moment in which it hangs up.
"""

import asyncio
from typing import Any


async def abandon(coming: "asyncio.Future[Any]") -> None:
    """Returns, or raises the cancellation that came meanwhile, when `coming` is over; what it brought is dropped."""
    coming.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not coming.done():
        try:
            await asyncio.wait({coming})
        except asyncio.CancelledError as again:
            cancelled = again
    if not coming.cancelled():
        coming.exception()  # looked at, so that nobody complains of it
    if cancelled is not None:
        raise cancelled
