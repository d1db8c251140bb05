"""Two halves of a long computation at once: LLVM's global context and Python's lock admit one thread to either."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection


class Failed(RuntimeError):
    """The other process ended without a result."""


def beside(compute: Callable[[], bytes]) -> Callable[[], bytes]:
    """Begin `compute` in a fork of this process, which must have one thread only, and go on; what is returned waits for
    its result. Raises Failed; the reason stands on standard error."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=_send, args=(compute, sender), daemon=True)  # nobody waits for it if we fail
    child.start()
    sender.close()  # so that the end of the child is seen as the pipe's end

    def result() -> bytes:
        try:
            return receiver.recv_bytes()
        except EOFError:
            child.join()
            raise Failed(f"the process beside this one ended with status {child.exitcode}, without a result") from None

    return result


def _send(compute: Callable[[], bytes], sender: Connection) -> None:
    sender.send_bytes(compute())
