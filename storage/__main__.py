"""`python -m storage`: the image service as a process.

Serves the image store under the state directory until SIGTERM or SIGINT. When it is ready it writes "host:port" to the
address file, atomically, and it removes that file when it ends.
"""

import os

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # before gRPC is imported: its fork handlers are for programs that fork
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what its core would say reaches us as an error, a line of ours

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from service import logs
from service.endpoint import CannotListen, Endpoint
from service.registry import new_registry
from service.rpc import Accounting
from storage.errors import Damaged, InvalidRequest, StorageError, StoreUnusable
from storage.files import make_directory, write_atomically
from storage.images import ImageStore
from storage.local import STORE
from storage.metrics import Metrics, watch_store
from storage.offload import in_thread
from storage.service import ImageService, build_server

GRACE_S = 5.0
log = structlog.get_logger()


def main() -> int:
    """Parses the arguments and serves; the exit status."""
    options = _arguments()
    logs.configure(options.log_format, service="storage")
    try:
        uvloop.run(serve(options))
    except StorageError as error:
        log.error("storage.failed", error=str(error))
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m storage", description="Limosa's image service.")
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="state directory; the store is DIR/images"
    )
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="where to listen; port 0 takes a free one")
    parser.add_argument("--address-file", type=Path, required=True, metavar="F", help="written when ready: host:port")
    parser.add_argument("--metrics", default="", metavar="HOST:PORT", help="where /metrics is served; default: nowhere")
    parser.add_argument(
        "--metrics-address-file", type=Path, metavar="F", help="written before the address file: host:port of /metrics"
    )
    parser.add_argument("--log-format", choices=logs.FORMATS, default="text")
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    """Serves until a signal says to end."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    store = ImageStore(options.state / STORE)
    await in_thread(_tidy, store)
    files = [file for file in (options.address_file, options.metrics_address_file) if file is not None]
    for file in files:
        make_directory(file.parent)
        file.unlink(missing_ok=True)  # one that a killed process left
    registry = new_registry(service="storage", version=_version())
    metrics = Metrics(registry)
    service = ImageService(store, time.time, metrics)
    server = await build_server(service, interceptors=[Accounting(registry)])
    watching = asyncio.create_task(watch_store(store, metrics), name="watch the store")
    endpoint: Endpoint | None = None
    try:
        endpoint = _open_endpoint(options.metrics, registry)
        address = _bind(server.add_insecure_port, options.listen)
        await server.start()
        if endpoint is not None and options.metrics_address_file is not None:
            write_atomically(options.metrics_address_file, f"{endpoint.address}\n".encode())
        write_atomically(options.address_file, f"{address}\n".encode())
        facts = {"metrics": endpoint.address} if endpoint is not None else {}
        log.info("storage.ready", address=address, store=str(store.root), **facts)
        await ending.wait()
    finally:
        for file in files:
            file.unlink(missing_ok=True)
        watching.cancel()
        await server.stop(GRACE_S)
        if endpoint is not None:
            endpoint.close()
        log.info("storage.ended")


def _version() -> str:
    try:
        return metadata.version("limosa")
    except metadata.PackageNotFoundError:
        return ""  # run from a directory that was never installed


def _open_endpoint(listen: str, registry: CollectorRegistry) -> Endpoint | None:
    try:
        return Endpoint(listen, registry) if listen else None
    except CannotListen as error:
        raise StoreUnusable(str(error)) from error


def _tidy(store: ImageStore) -> None:
    """Removes what a killed process left. A store that may only be read can still be served."""
    try:
        removed = len(store.collect_garbage(now_s=time.time()))
    except StoreUnusable as error:
        log.warning("store.read-only", reason=str(error))
        removed = 0
    try:
        log.info("store.opened", store=str(store.root), images=len(store.all()), garbage=removed)
    except Damaged as error:
        log.warning("store.damaged", reason=str(error))


def _bind(add_port: Callable[[str], int], listen: str) -> str:
    """Takes the port; the address under which it is reached."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidRequest(f"{listen!r} is no HOST:PORT")
    try:
        return f"{host}:{add_port(listen)}"
    except RuntimeError as error:
        raise StoreUnusable(f"{listen} cannot be listened on: is the port in use?") from error


if __name__ == "__main__":
    sys.exit(main())
