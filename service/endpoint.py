"""The HTTP endpoint of a service: `/metrics` for Prometheus, and documents of JSON (service discovery) beside it.

It has a thread of its own: a scrape must not wait for the event loop, nor the loop for a scrape. What it serves is
read from there, so collectors and documents may only look at what other threads can look at.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

Document = Callable[[], object]
REQUEST_S = 10.0  # a peer that says nothing for so long is hung up on


class CannotListen(OSError):
    """The metrics address is taken or not ours; the text is a sentence."""


class Endpoint:
    """Serving since its making, until `close`. `address` is host:port as it came out."""

    def __init__(
        self, listen: str, registry: CollectorRegistry, documents: Mapping[str, Document] | None = None
    ) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal():
            raise CannotListen(f"{listen!r} is no HOST:PORT for metrics")
        application = _router(make_wsgi_app(registry), documents or {})
        try:
            self._server = make_server(host, int(port), application, _Server, _Handler)
        except (OSError, OverflowError) as error:
            raise CannotListen(
                f"cannot listen on {listen} for metrics: the port is in use or the address is not ours ({error})"
            ) from error
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="metrics")
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_S

    def log_message(self, format: str, *arguments: Any) -> None:
        """A scrape is no event."""


def _router(metrics: Any, documents: Mapping[str, Document]) -> Any:
    """`/metrics`, the documents by their paths, and 404 for the rest."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            answer: Iterable[bytes] = metrics(environ, start_response)
            return answer
        document = documents.get(path)
        if document is None:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            known = ", ".join(["/metrics", *documents])
            return [f"nothing is at {path}; there are {known}\n".encode()]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(document()).encode()]

    return application
