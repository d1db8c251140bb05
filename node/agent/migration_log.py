"""The steps of a migration as events of this node's log: one line each, with the ids that all services use.

    source   migration.began  .phase  .round  .ready | .failed   then  .released | .cancelled
    target   migration.prepared                                  then  .activated | .aborted | .failed

Progress inside a round is for those who watch, and is not logged.
"""

import structlog

from protos.node_pb2 import Failed, MigrateOutRequest, MigrationEvent, ReadyToCommit

log = structlog.get_logger()

ROUND_FACTS = ("number", "pages_normal", "pages_zero", "bytes_sent", "duration_ns", "dirty_pages_after", "verdict")


def began(request: MigrateOutRequest) -> None:
    options = request.options
    log.info(
        "migration.began",
        migration=request.migration_id,
        vm=request.vm,
        target=f"{request.host}:{request.port}",
        algorithm=options.algorithm,
        max_downtime_ns=options.max_downtime_ns,
        bandwidth_bytes_per_s=options.bandwidth_bytes_per_s,
    )


def source_event(request: MigrateOutRequest, event: MigrationEvent) -> None:
    """What the source's domain reported."""
    here = log.bind(migration=request.migration_id, vm=request.vm)
    match event.WhichOneof("event"):
        case "phase":
            here.info("migration.phase", phase=event.phase)
        case "round":
            here.info("migration.round", **{fact: getattr(event.round, fact) for fact in ROUND_FACTS})
        case "ready_to_commit":
            _ready(here, event.ready_to_commit)
        case "failed":
            _failed(here, event.failed)


def target_failed(migration_id: str, vm: str, failed: Failed) -> None:
    _failed(log.bind(migration=migration_id, vm=vm), failed)


def step(name: str, migration_id: str, vm: str, **facts: object) -> None:
    """prepared, activated, aborted, released, cancelled: what this node was told to do, done."""
    log.info(f"migration.{name}", migration=migration_id, vm=vm, **facts)


def _ready(here: structlog.typing.FilteringBoundLogger, ready: ReadyToCommit) -> None:
    here.info(
        "migration.ready",
        digest=ready.digest,
        paused_for_ns=ready.paused_for_ns,
        bytes_sent=ready.bytes_sent,
        pages_normal=ready.pages_normal,
        pages_zero=ready.pages_zero,
    )


def _failed(here: structlog.typing.FilteringBoundLogger, failed: Failed) -> None:
    here.warning("migration.failed", kind=failed.kind, why=failed.error)
