"""Dashboard *Storage*: the image store by rate, errors and duration, and what it holds."""

from deploy.grafana.board import Board, Row
from deploy.grafana.panels import BAD, GOOD, WARN, Query, Text, heat, lines, stacked, stat_of
from deploy.grafana.queries import added, or_zero, quantile, rate

REQUESTS = "limosa_storage_requests_total"
ERRORS = 'limosa_storage_requests_total{result="error"}'
SECONDS = "limosa_storage_request_duration_seconds_bucket"
GIB = 1 << 30


def _overview() -> Row:
    return Row(
        "Overview",
        [
            stat_of(
                Text("Reachable", "Whether the controller reaches the store.", "bool_yes_no"),
                Query("min(limosa_storage_reachable)", "reachable"),
                colours={0: BAD, 1: GOOD},
                span=6,
            ),
            stat_of(
                Text("Images", "Images that machines can be created from (`limosa image list`).", "short"),
                Query("max(limosa_storage_images)", "images"),
                span=6,
            ),
            stat_of(
                Text("Free space", "What is left on the store's file system. At zero no image can be added.", "bytes"),
                Query("min(limosa_storage_free_bytes)", "free"),
                colours={0: BAD, GIB: WARN, 10 * GIB: GOOD},
                span=6,
            ),
            stat_of(
                Text("Failed requests", "Requests of this time range that ended in an error.", "short"),
                Query(
                    f"round({or_zero(added(ERRORS, over='$__range'), of=added(REQUESTS, over='$__range'))})", "failed"
                ),
                colours={0: GOOD, 1: WARN},
                span=6,
            ),
        ],
    )


def _requests() -> Row:
    return Row(
        "Requests",
        [
            stacked(
                Text("Requests", "Requests per second, by operation.", "reqps"),
                Query(rate(REQUESTS, by="op"), "{{op}}"),
                span=12,
            ),
            lines(
                Text("Errors", "Requests per second that ended in an error, by operation.", "reqps"),
                Query(or_zero(rate(ERRORS, by="op"), of=rate(REQUESTS, by="op")), "{{op}}"),
                span=12,
            ),
            lines(
                Text(
                    "Duration of requests in this time range",
                    "Half and 95 of 100 requests were answered faster. A read of a kernel is one request, however "
                    "many bytes it has.",
                    "s",
                ),
                Query(quantile(0.5, SECONDS, by="op", over="$__range"), "{{op}} p50"),
                Query(quantile(0.95, SECONDS, by="op", over="$__range"), "{{op}} p95"),
                span=12,
            ),
            heat(
                Text("Duration", "Each column is one interval, each row a range of durations, all operations.", "s"),
                added(SECONDS, by="le"),
            ),
            stacked(
                Text(
                    "Bytes",
                    "Image data that nodes read and that pulls and pushes write. A node keeps what it has read, so "
                    "each image crosses once for each node.",
                    "binBps",
                ),
                Query(rate("limosa_storage_bytes_total", by="direction"), "{{direction}}"),
                span=12,
            ),
            lines(
                Text("Service", "Processor time of the store's process: 1 is one processor.", "none"),
                Query(rate('process_cpu_seconds_total{job="storage"}', by="instance"), "{{instance}}"),
                span=12,
            ),
        ],
    )


BOARD = Board(
    uid="limosa-storage",
    title="Storage",
    description="The image store: requests, errors, durations, bytes, space.",
    variables=(),
    rows=(_overview(), _requests()),
)
