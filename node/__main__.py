"""`python -m node`: one node of a cluster. Reads its settings from its arguments, and nothing from its environment."""

import argparse
import os
import re
import socket
import sys
from pathlib import Path

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # before gRPC is imported: this process execs, it never forks
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what its core would say reaches us as an error, a line of ours

import structlog
import uvloop

from node.domain import sizes
from service import logs

EXITS = "Exit status: 0 ended by SIGTERM or SIGINT; 1 failed; 2 usage; 77 wrong token; 78 the name is another node's."
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
EVERY_ADDRESS = ("0.0.0.0", "[::]", "::")


def main() -> None:
    from node.agent.errors import CannotServe
    from node.agent.server import NodeSettings, default_memory_bytes, serve
    from node.agent.storage_fetch import fetch

    given = _arguments()
    logs.configure(given.log_format, service="node", node=given.name)
    host, port = given.listen
    if host in EVERY_ADDRESS and not given.advertise:
        raise SystemExit(f"python -m node: --listen {host} is every address; --advertise says which one others reach")
    advertise = given.advertise or host
    pages = given.pages or host
    metrics_host = given.metrics[0] if given.metrics else ""
    settings = NodeSettings(
        name=given.name,
        directory=given.state / "cluster" / "nodes" / given.name,
        listen_host=host,
        listen_port=port,
        advertise_host=advertise,
        pages_host=pages,
        pages_advertise=given.pages_advertise or _reached_at(pages, host, advertise),
        metrics=f"{metrics_host}:{given.metrics[1]}" if given.metrics else "",
        metrics_advertise=given.metrics_advertise or _reached_at(metrics_host, host, advertise),
        metrics_address_file=given.metrics_address_file,
        controller=given.controller,
        token=_token(given.token_file) if given.token_file else "",
        address_file=given.address_file,
        memory_bytes=given.memory or default_memory_bytes(),
        machinery=given.machinery,
        template_arguments=(
            *("--cache", str(given.state / "cache" / "native")),
            *(("--precompiled", str(given.precompiled)) if given.precompiled else ()),
        ),
    )
    try:
        uvloop.run(serve(settings, fetch))
    except CannotServe as error:
        structlog.get_logger().error("node.failed", why=str(error))
        sys.exit(error.exit_status)


def _token(file: Path) -> str:
    """Empty, it would open the node to everybody whom its owner meant to keep out."""
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"python -m node: the token file {file} cannot be read: {error}") from None
    if not token or not token.isascii() or not token.isprintable():
        raise SystemExit(f"python -m node: the token file {file} holds no token: one line of printable ASCII is")
    return token


def _reached_at(host: str, control_host: str, advertise: str) -> str:
    """Where others find what listens on `host`: there, unless that is every address, or --listen's."""
    return advertise if host in (*EVERY_ADDRESS, control_host) else host


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m node", description="Host virtual machines for a Limosa cluster.", epilog=EXITS
    )
    parser.add_argument(
        "--name", type=_name, default=socket.gethostname(), help="this node's in the cluster (default: the host's)"
    )
    parser.add_argument("--state", required=True, type=Path, metavar="DIR", help="the state directory")
    parser.add_argument(
        "--listen", type=_address, default="127.0.0.1:0", metavar="HOST:PORT", help="port 0: any free one"
    )
    parser.add_argument(
        "--advertise", default="", metavar="HOST", help="how others reach this host (default: --listen's)"
    )
    parser.add_argument(
        "--pages", default="", metavar="HOST", help="where the memory of incoming VMs arrives (default: --listen's)"
    )
    parser.add_argument(
        "--pages-advertise",
        default="",
        metavar="HOST",
        help="how other nodes reach --pages (default: --pages; where that is every address, --advertise's)",
    )
    parser.add_argument("--metrics", type=_maybe_address, metavar="HOST:PORT", help="serve /metrics (default: not)")
    parser.add_argument(
        "--metrics-advertise",
        default="",
        metavar="HOST",
        help="how Prometheus reaches --metrics (default: --metrics's; where that is every address, --advertise's)",
    )
    parser.add_argument("--controller", default="", metavar="HOST:PORT", help="the cluster to join (default: none)")
    parser.add_argument("--token-file", type=Path, metavar="F", help="holds the cluster's token")
    parser.add_argument("--address-file", type=Path, metavar="F", help="where to write host:port once serving")
    parser.add_argument("--metrics-address-file", type=Path, metavar="F", help="where to write that of /metrics")
    parser.add_argument(
        "--memory", type=_size, default=0, metavar="SIZE", help="for VMs (default: 80 %% of what is free)"
    )
    parser.add_argument(
        "--precompiled", type=Path, metavar="DIR", help="compiled interpreters that came with the program, only read"
    )
    parser.add_argument("--log-format", choices=logs.FORMATS, default="text")
    parser.add_argument("--machinery", default="node.domain.native:MACHINERY", help=argparse.SUPPRESS)
    return parser.parse_args()


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no node name: letters, digits, '.', '_', '-', at most 63, are")
    return text


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host, int(port)


def _maybe_address(text: str) -> tuple[str, int] | None:
    return _address(text) if text else None


def _size(text: str) -> int:
    try:
        return sizes.parse(text)
    except sizes.BadSize as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
