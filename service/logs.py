"""How every process of the cluster logs: one line an event on stderr, text for people or JSON for machines.

An event is a dotted name and facts: `log.info("migration.committed", migration=…, vm=…, node=…)`. The ids have the same
keys everywhere, so that one migration can be followed across services by its id:

    service  node  vm  migration

What libraries say by Python's own logging and warnings (gRPC, of a bug of ours) is the event `library.log`, and in JSON
so is what anybody prints to `sys.stderr` (`service.stray`): each line stays readable by a machine. What writes beneath
Python is kept from it where it can be: `GRPC_VERBOSITY` in the services' `__main__`.
"""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from service.stray import Listening, facts

FORMATS = ("text", "json")


def configure(form: str, **always: str) -> None:
    """Set up the logs of this process, once; `always` (service, node) stands in each line."""

    def signed(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {**event, **always}  # not by contextvars, which a thread begins without

    written = sys.stderr
    render = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    processors: list[Processor] = [
        signed,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(processors=[*processors, render], logger_factory=structlog.WriteLoggerFactory(written))
    handler = logging.StreamHandler(written)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, _as_event, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    if form == "json":
        stray = structlog.get_logger()
        sys.stderr = Listening(lambda text: stray.warning("library.log", logger="stderr", **facts(text)), written)


def _as_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A library's sentence is a fact of the event."""
    event["text"], event["event"] = event["event"], "library.log"
    return event
