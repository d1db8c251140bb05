"""Dashboard *Migrations*: what migrating cost, by algorithm.

Two kinds of number stand side by side: recorded rules without a window speak of every migration in the controller's
journal, the other queries of the time range at the top right.
"""

from deploy.grafana import board
from deploy.grafana.board import Board, Row
from deploy.grafana.panels import BAD, GOOD, WARN, Column, Query, Text, bars, events, heat, lines, stat_of, table_of
from deploy.grafana.queries import ALGORITHM, VM, added, metric, quantile

ENDED = metric("migrations_total", ALGORITHM)
FAILED = metric("migrations_total", ALGORITHM, 'result=~"failed|lost|unconverged"')
OVER_LIMIT = metric("migration_downtime_over_limit_total", ALGORITHM)
DOWNTIME = metric("migration_downtime_seconds_bucket", ALGORITHM)
BYTES = metric("migration_transferred_bytes_total", ALGORITHM)
PAGES = metric("migration_transferred_pages_total", ALGORITHM)


def recorded(level: str, name: str, operation: str) -> str:
    """A recording rule of deploy/prometheus/rules/migrations.yml."""
    return f"{level}:limosa_{name}:{operation}{{{ALGORITHM}}}"


def _overview() -> Row:
    return Row(
        "Overview",
        [
            stat_of(
                Text("Migrations", "Migrations that ended in this time range, whatever their result.", "short"),
                Query(f"round({added(ENDED, over='$__range')})", "ended"),
            ),
            stat_of(
                Text(
                    "Not successful",
                    "Migrations of this time range that failed, lost their VM or did not converge. Cancelled ones "
                    "are not counted: someone wanted that.",
                    "short",
                ),
                Query(f"round({added(FAILED, over='$__range')})", "not successful"),
                colours={0: GOOD, 1: BAD},
            ),
            stat_of(
                Text(
                    "Downtime over the limit",
                    "Migrations of this time range that succeeded but let the guest stand still longer than their "
                    "--max-downtime.",
                    "short",
                ),
                Query(f"round({added(OVER_LIMIT, over='$__range')})", "over the limit"),
                colours={0: GOOD, 1: WARN},
            ),
            stat_of(
                Text(
                    "Success ratio",
                    "Succeeded migrations among all that were not cancelled, over the whole journal.",
                    "percentunit",
                ),
                Query(recorded("algorithm", "migrations", "success_ratio"), "{{algorithm}}"),
                colours={0: BAD, 0.9: WARN, 0.99: GOOD},
            ),
            stat_of(
                Text(
                    "Median downtime",
                    "Half of all succeeded migrations in the journal let the guest stand still for less than this. "
                    "It is read from a histogram's buckets (1, 2, 5 ms, …), so it is exact to a bucket.",
                    "s",
                ),
                Query(recorded("algorithm", "migration_downtime_seconds", "p50"), "{{algorithm}}"),
            ),
            stat_of(
                Text(
                    "Rounds",
                    "Mean number of rounds, the last one included. Stop-and-copy has one by definition; a pre-copy "
                    "that needs many has a guest that writes nearly as fast as the link carries.",
                    "short",
                ),
                Query(recorded("algorithm", "migration_rounds", "mean"), "{{algorithm}}"),
            ),
        ],
    )


def _downtime() -> Row:
    quantiles = [
        Query(recorded("algorithm", "migration_downtime_seconds", name), f"{{{{algorithm}}}} {name}")
        for name in ("p50", "p95", "p99")
    ]
    ranged = [
        Query(quantile(q, DOWNTIME, by="algorithm", over="$__range"), f"{{{{algorithm}}}} {name}")
        for q, name in ((0.5, "p50"), (0.95, "p95"))
    ]
    return Row(
        "Downtime: how long the guest stood still",
        [
            heat(
                Text(
                    "Downtime, all chosen algorithms",
                    "Each column is one interval, each row a range of downtimes; the darker, the more migrations. "
                    "Two bands mean two populations: choose one algorithm above to see which is which.",
                    "s",
                ),
                added(DOWNTIME, by="le"),
            ),
            lines(
                Text(
                    "Downtime quantiles of the journal",
                    "p95: 95 of 100 migrations in the journal stood still for less. The lines move when migrations "
                    "end, and more slowly the more there have been.",
                    "s",
                ),
                *quantiles,
                span=12,
            ),
            bars(
                Text(
                    "Where the downtime went",
                    "The mean downtime of the journal's migrations, cut into its parts: stopping the guest, the "
                    "last pages, the CPU's and devices' state, their transfer, loading and verifying at the target, "
                    "the commit in the controller's journal, resuming. The parts add up to the whole.",
                    "s",
                ),
                recorded("algorithm_part", "migration_downtime_part_seconds", "mean"),
                row="algorithm",
                part="part",
            ),
            stat_of(
                Text(
                    "Downtime in this time range",
                    "Quantiles of the migrations that ended in this time range only.",
                    "s",
                ),
                *ranged,
                span=12,
            ).height(8),
        ],
    )


def _total_time() -> Row:
    return Row(
        "Total time: from the command to the resumed guest",
        [
            lines(
                Text(
                    "Total time quantiles of the journal",
                    "Most of it passes while the guest runs on; it costs bandwidth and the two hosts' time, not "
                    "service.",
                    "s",
                ),
                *(
                    Query(recorded("algorithm", "migration_duration_seconds", name), f"{{{{algorithm}}}} {name}")
                    for name in ("p50", "p95")
                ),
                span=12,
            ),
            bars(
                Text(
                    "Where the total time went",
                    "The mean time of each phase. Pre-copy spends its time in rounds while the guest runs; stop- "
                    "and-copy has no such phase, and a long one in which nothing runs.",
                    "s",
                ),
                recorded("algorithm_phase", "migration_phase_duration_seconds", "mean"),
                row="algorithm",
                part="phase",
            ),
            heat(
                Text(
                    "Rounds",
                    "How many rounds the migrations took. Rows are upper bounds of the buckets.",
                    "none",
                ),
                added(metric("migration_rounds_bucket", ALGORITHM), by="le"),
            ),
            events(
                Text("Results", "Migrations that ended in each interval, by result.", "short"),
                Query(added(ENDED, by="result"), "{{result}}"),
                span=12,
            ),
        ],
    )


def _transferred() -> Row:
    return Row(
        "What crossed the page channel",
        [
            events(
                Text(
                    "Bytes by kind",
                    "full: the pages themselves; overhead: record headers, page numbers, CPU and device state. "
                    "Counted when a migration ends, all rounds together, so pages sent twice count twice.",
                    "bytes",
                ),
                Query(added(BYTES, by="kind"), "{{kind}}"),
            ),
            events(
                Text(
                    "Pages by kind",
                    "full pages are sent whole (4096 bytes), zero pages only by their number. A fresh guest's "
                    "memory is mostly zero.",
                    "short",
                ),
                Query(added(PAGES, by="kind"), "{{kind}}"),
            ),
            events(
                Text(
                    "Bytes by algorithm",
                    "The price of keeping the guest running: pre-copy sends again what the guest has written "
                    "meanwhile, stop-and-copy sends each page once.",
                    "bytes",
                ),
                Query(added(BYTES, by="algorithm"), "{{algorithm}}"),
            ),
        ],
    )


def _last() -> Row:
    return Row(
        "The last migration of each VM",
        [
            table_of(
                Text(
                    "Last migrations",
                    "When each VM was last migrated successfully, what it cost and where it is now. A VM that was "
                    "destroyed has left the table; `limosa jobs` keeps its record.",
                    "short",
                ),
                Column(
                    "When", f"max by (vm) (limosa_migration_last_timestamp_seconds{{{VM}}}) * 1000", "dateTimeAsIso"
                ),
                Column("Downtime", f"max by (vm) (limosa_migration_last_downtime_seconds{{{VM}}})", "s"),
                Column("Total time", f"max by (vm) (limosa_migration_last_duration_seconds{{{VM}}})", "s"),
                Column("Owner", f"max by (vm, node) (limosa_vm_owner{{{VM}}})", hidden=True),
                labels={"vm": "VM", "node": "Runs on"},
            ),
        ],
    )


BOARD = Board(
    uid="limosa-migrations",
    title="Migrations",
    description="What live migration cost: downtime, total time, rounds and bytes, by algorithm.",
    variables=(board.algorithm(), board.vm()),
    rows=(_overview(), _downtime(), _total_time(), _transferred(), _last()),
    since="now-6h",
)
