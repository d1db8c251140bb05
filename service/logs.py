"""How every process of the cluster logs: one line an event on stderr, text for people or JSON for machines.

An event is a dotted name and facts: `log.info("migration.committed", migration=…, vm=…, node=…)`. The ids have the same
keys everywhere, so that one migration can be followed across services by its id:

    service  node  vm  migration
"""

import logging
import sys

import structlog

FORMATS = ("text", "json")


def configure(form: str, **always: str) -> None:
    """Set up structlog for this process; `always` (service, node) stands in each line."""
    render = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(**always)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
