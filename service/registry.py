"""The metrics registry that every process of the cluster starts from: who it is, and what its process uses.

A scrape only reads: collectors registered here must not ask, wait or measure.
"""

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

# Not a gauge more beside each counter: nobody asks for it, and it is wrong where a counter outlives the process.
disable_created_metrics()  # type: ignore[no-untyped-call]


def new_registry(*, service: str, version: str) -> CollectorRegistry:
    """`process_*`, `python_*` and `limosa_build_info`; a service adds its own table to it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Info("limosa_build", "What this process is.", registry=registry)
    build.info({"service": service, "version": version})
    return registry
