"""The journal's records as lines of the log, so that a VM, a node or a migration can be followed by its id."""

import structlog

from controller.rows import Record

log = structlog.get_logger()


def log_record(record: Record) -> None:
    """One event: the record's kind is its name, and an id that the record does not have is left out."""
    ids = {"vm": record.vm, "node": record.node, "migration": record.job}
    given = {key: value for key, value in ids.items() if value}
    log.info(record.kind, sequence=record.sequence, text=record.text, **given)
