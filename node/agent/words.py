"""What the template and the domains it forked print: tracebacks of their bugs, what LLVM complains of, last words.

They share one pipe as their stderr, which is read here, sentence by sentence, so that the node's log stays what
`service.logs` says it is: one event a line, signed. Owned by `node.agent.template`; it outlives each template.
"""

import asyncio
import contextlib
import os

import structlog

from service.stray import Sentences, facts

log = structlog.get_logger()

READ_BYTES = 1 << 16


class Words:
    """Open from its making, in a running loop, until `close`."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe()  # neither is inherited unless it is handed on
        os.set_blocking(self._ours, False)
        self._sentences = Sentences()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ours, self._read)

    def close(self) -> None:
        """What was written until now is told; what comes later is lost with its writers."""
        self._loop.remove_reader(self._ours)
        os.close(self.theirs)
        with contextlib.suppress(BlockingIOError):  # a domain that lives on holds the other end
            while self._read():
                pass
        for sentence in self._sentences.rest():
            _tell(sentence)
        os.close(self._ours)

    def _read(self) -> bool:
        """False at the end, when nobody has the other end any more."""
        piece = os.read(self._ours, READ_BYTES)
        for sentence in self._sentences.add(piece.decode(errors="replace")):
            _tell(sentence)
        return bool(piece)


def _tell(sentence: str) -> None:
    log.warning("machinery.said", **facts(sentence))
