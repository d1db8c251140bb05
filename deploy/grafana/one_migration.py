"""Dashboard *One migration*: convergence, live.

The live series exist only while a migration runs, one sample each scrape: a migration that is shorter than two scrapes
may leave none. Its rounds are in its record (`limosa job ID`) all the same.
"""

from deploy.grafana import board
from deploy.grafana.board import Board, Row
from deploy.grafana.panels import Query, Text, lines, places, stat_of, steps
from deploy.grafana.queries import VM, metric, rate

RUNNING = metric("vm_state", VM, 'state="running"')
IDLE = "no migration of this VM in this time range"


def live(name: str) -> str:
    """A series of each running migration of the chosen VMs."""
    return f"max by (vm, algorithm) ({metric(f'migration_{name}', VM)})"


def _now() -> Row:
    return Row(
        "Now",
        [
            stat_of(
                Text(
                    "Running migrations", "Migrations that run at this moment, by phase, in the whole cluster.", "short"
                ),
                Query("sum by (phase) (limosa_migration_in_progress)", "{{phase}}"),
                span=8,
            ),
            stat_of(
                Text("Last downtime", "How long the guest stood still in the VM's last successful migration.", "s"),
                Query(f"max by (vm) ({metric('migration_last_downtime_seconds', VM)})", "{{vm}}"),
                span=8,
            ),
            stat_of(
                Text("Last total time", "How long the VM's last successful migration took.", "s"),
                Query(f"max by (vm) ({metric('migration_last_duration_seconds', VM)})", "{{vm}}"),
                span=8,
            ),
        ],
    )


def _convergence() -> Row:
    return Row(
        "Does it converge?",
        [
            lines(
                Text(
                    "Dirty rate against bandwidth",
                    "How fast the guest writes memory and how fast pages are sent. While the dirty rate is the "
                    "lower one, each round leaves less than the one before; where the lines meet, no number of "
                    "rounds helps.",
                    "binBps",
                ),
                Query(live("dirty_bytes_per_second"), "{{vm}} dirty rate"),
                Query(live("bandwidth_bytes_per_second"), "{{vm}} bandwidth"),
                span=12,
                empty=IDLE,
            ),
            lines(
                Text(
                    "Predicted downtime against the allowed",
                    "Predicted: what is left, at the bandwidth seen. Pre-copy stops the guest for the last round "
                    "once the prediction is below what --max-downtime allows.",
                    "s",
                ),
                Query(live("predicted_downtime_seconds"), "{{vm}} predicted"),
                Query(live("max_downtime_seconds"), "{{vm}} allowed"),
                span=12,
                empty=IDLE,
            ),
            lines(
                Text(
                    "Dirty rate over bandwidth",
                    "The share of what a round sent that it leaves dirty: at 50 % each round halves the rest. Near "
                    "100 % the guest writes as fast as the link carries, or goes round the same pages; from 90 % "
                    "on, for half a minute, the alert LimosaMigrationNotConverging fires.",
                    "percentunit",
                ),
                Query(f"vm_algorithm:limosa_migration_dirty_to_bandwidth:ratio{{{VM}}}", "{{vm}}"),
                empty=IDLE,
            ),
            lines(
                Text(
                    "Dirty pages",
                    "Pages of 4 KiB that the guest has written since they were last sent.",
                    "short",
                ),
                Query(live("dirty_pages"), "{{vm}}"),
                empty=IDLE,
            ),
            steps(
                Text(
                    "Round",
                    "Round 1 sends all of memory; each later one what was written during the one before.",
                    "none",
                ),
                Query(live("round"), "{{vm}} {{algorithm}}"),
                empty=IDLE,
            ),
        ],
    )


def _bytes() -> Row:
    return Row(
        "What is sent, what is left",
        [
            lines(
                Text(
                    "Remaining and sent",
                    "Remaining falls within a round and jumps up at the next one's beginning, by what was written "
                    "meanwhile. That is why there is no percentage here: it would run backwards.",
                    "bytes",
                ),
                Query(live("remaining_bytes"), "{{vm}} remaining"),
                Query(live("sent_bytes"), "{{vm}} sent"),
                span=12,
                empty=IDLE,
            ),
            lines(
                Text(
                    "Instructions per second, by node",
                    "Millions of guest instructions a second. The line of the source ends where that of the target "
                    "begins; before that it shows what the migration costs the running guest.",
                    "none",
                ),
                Query(f"{rate(metric('vm_instructions_total', VM), by='vm, node')} / 1e6", "{{vm}} on {{node}}"),
                span=12,
            ),
            places(
                Text(
                    "Where it runs",
                    "A row for each VM and node. A VM runs on one node at a time: two bars one above the other at "
                    "one moment are either a scrape's width or a defect.",
                    "none",
                ),
                Query(f"max by (vm, node) ({RUNNING})", "{{vm}} on {{node}}"),
                on="running",
            ),
        ],
    )


BOARD = Board(
    uid="limosa-migration",
    title="One migration",
    description="A running migration: dirty rate against bandwidth, rounds, what is left, predicted downtime.",
    variables=(board.vm(),),
    rows=(_now(), _convergence(), _bytes()),
    since="now-15m",
)
