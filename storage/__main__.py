"""`python -m storage`: the image service as a process.

Serves the image store under the state directory until SIGTERM or SIGINT. When it is ready it writes "host:port" to the
address file, atomically, and it removes that file when it ends.
"""

import os

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # before gRPC is imported: its fork handlers are for programs that fork

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog
import uvloop

from storage.errors import Damaged, InvalidRequest, StorageError, StoreUnusable
from storage.files import make_directory, write_atomically
from storage.images import ImageStore
from storage.local import STORE
from storage.offload import in_thread
from storage.service import ImageService, build_server

GRACE_S = 5.0
log = structlog.get_logger()


def main() -> int:
    """Parses the arguments and serves; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m storage", description="Limosa's image service.")
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="state directory; the store is DIR/images"
    )
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="where to listen; port 0 takes a free one")
    parser.add_argument("--address-file", type=Path, required=True, metavar="F", help="written when ready: host:port")
    parser.add_argument("--log-format", choices=["text", "json"], default="text")
    options = parser.parse_args()
    _configure_log(options.log_format)
    try:
        uvloop.run(serve(options.state, options.listen, options.address_file))
    except StorageError as error:
        print(f"storage: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(state: Path, listen: str, address_file: Path) -> None:
    """Serves until a signal says to end."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    store = ImageStore(state / STORE)
    await in_thread(_tidy, store)
    make_directory(address_file.parent)
    address_file.unlink(missing_ok=True)  # one that a killed process left
    server = await build_server(ImageService(store, time.time))
    try:
        address = _bind(server.add_insecure_port, listen)
        await server.start()
        write_atomically(address_file, f"{address}\n".encode())
        log.info("storage ready", address=address, store=str(store.root))
        await ending.wait()
    finally:
        address_file.unlink(missing_ok=True)
        await server.stop(GRACE_S)
        log.info("storage ended")


def _tidy(store: ImageStore) -> None:
    """Removes what a killed process left. A store that may only be read can still be served."""
    try:
        removed = len(store.collect_garbage(now_s=time.time()))
    except StoreUnusable as error:
        log.warning("store is not writable", reason=str(error))
        removed = 0
    try:
        log.info("store opened", store=str(store.root), images=len(store.all()), garbage=removed)
    except Damaged as error:
        log.warning("store holds a damaged image", reason=str(error))


def _bind(add_port: Callable[[str], int], listen: str) -> str:
    """Takes the port; the address under which it is reached."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidRequest(f"{listen!r} is no HOST:PORT")
    try:
        return f"{host}:{add_port(listen)}"
    except RuntimeError as error:
        raise StoreUnusable(f"{listen} cannot be listened on: is the port in use?") from error


def _configure_log(form: str) -> None:
    renderer = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
