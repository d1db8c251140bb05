"""What wakes a processor that rests in native code (`node.ia32.resting`)."""

import os
import weakref
from contextlib import suppress


class Bell:
    """An eventfd(2). Once rung it stays so, for whoever begins to rest later, until it is silenced."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self.descriptor)

    def ring(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def silence(self) -> None:
        with suppress(BlockingIOError):  # nobody has rung
            os.eventfd_read(self.descriptor)
