"""How every process of the cluster logs: one line an event on stderr, text for people or JSON for machines.

An event is a dotted name and facts: `log.info("migration.committed", migration=…, vm=…, node=…)`. The ids have the same
keys everywhere, so that one migration can be followed across services by its id:

    service  node  vm  migration

What libraries say by Python's own logging (gRPC, of a bug of ours) is the event `library.log`, so that each line stays
readable by a machine.
"""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

FORMATS = ("text", "json")


def configure(form: str, **always: str) -> None:
    """Set up structlog for this process; `always` (service, node) stands in each line."""
    render = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(processors=[*processors, render], logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    structlog.contextvars.bind_contextvars(**always)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, _as_event, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _as_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A library's sentence is a fact of the event."""
    event["text"], event["event"] = event["event"], "library.log"
    return event
