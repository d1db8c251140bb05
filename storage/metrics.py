"""What the image service counts: requests by what they wanted and how they ended, bytes, and what the store holds.

limosa_storage_requests_total{op, result}            result: ok | error (a transfer that broke off, too)
limosa_storage_request_duration_seconds{op}          whole transfers, however long the peer takes
limosa_storage_bytes_total{direction}                read: sent to clients; written: taken from them
limosa_storage_images, limosa_storage_free_bytes     as last looked at, see `watch_store`
"""

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from storage.errors import StorageError
from storage.files import disk_errors
from storage.images import ImageStore
from storage.offload import in_thread

OPS = ("list", "get", "put", "remove", "fetch", "push")
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
LOOK_S = 5.0
log = structlog.get_logger()


class Metrics:
    """The service's table; every label value is there from the beginning."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "limosa_storage_requests_total", "Requests that have ended.", ("op", "result"), registry=registry
        )
        self._seconds = Histogram(
            "limosa_storage_request_duration_seconds",
            "Time from a request's arrival to its end.",
            ("op",),
            buckets=SECONDS,
            registry=registry,
        )
        transferred = Counter(
            "limosa_storage_bytes_total",
            "Bytes of files, read for clients or written.",
            ("direction",),
            registry=registry,
        )
        self.read, self.written = transferred.labels("read"), transferred.labels("written")
        self.images = Gauge("limosa_storage_images", "Images in the store.", registry=registry)
        self.free_bytes = Gauge("limosa_storage_free_bytes", "Room left on the store's disk.", registry=registry)
        for op in OPS:
            self._seconds.labels(op)
            for result in ("ok", "error"):
                self._requests.labels(op, result)

    @contextmanager
    def request(self, op: str) -> Iterator[None]:
        """One request from its arrival to its end."""
        began, result = time.perf_counter(), "error"
        try:
            yield
            result = "ok"
        finally:
            self._seconds.labels(op).observe(time.perf_counter() - began)
            self._requests.labels(op, result).inc()


async def watch_store(store: ImageStore, metrics: Metrics, *, every_s: float = LOOK_S) -> None:
    """Look at the disk from time to time, so that a scrape need not; others write into the store, too."""
    readable = True
    while True:
        try:
            images, free_bytes = await in_thread(_look, store)
        except (StorageError, OSError) as error:
            if readable:
                log.warning("store.unreadable", reason=str(error))
            readable = False
        else:
            metrics.images.set(images)
            metrics.free_bytes.set(free_bytes)
            readable = True
        await asyncio.sleep(every_s)


def _look(store: ImageStore) -> tuple[int, int]:
    with disk_errors(store.root):
        return store.count(), shutil.disk_usage(store.root).free
