"""Dashboard *Cluster*: nodes, their machines, and the services' calls.

Hosts by utilisation and saturation, services by rate, errors and duration.
"""

from deploy.grafana import board
from deploy.grafana.board import Board, Row
from deploy.grafana.panels import BAD, GOOD, Query, Text, events, lines, stacked, stat_of
from deploy.grafana.queries import NODE, NODE_VM, added, metric, or_zero, quantile, rate

CALLS = "limosa_grpc_server_handled_total"
REFUSED = 'limosa_grpc_server_handled_total{code!~"OK|CANCELLED"}'


def _overview() -> Row:
    return Row(
        "Overview",
        [
            stat_of(
                Text("Nodes up", "Nodes that the controller holds a session with.", "short"),
                Query("sum(limosa_node_up)", "up"),
                colours={0: BAD, 1: GOOD},
            ),
            stat_of(
                Text("Nodes down", "Nodes that have joined once and do not answer now.", "short"),
                Query("count(limosa_node_up == 0) or vector(0)", "down"),
                colours={0: GOOD, 1: BAD},
            ),
            stat_of(
                Text("VMs", "VMs in the journal, by the state that it holds.", "short"),
                Query("sum by (state) (limosa_controller_vms)", "{{state}}"),
                span=8,
            ),
            stat_of(
                Text("Storage", "Whether the controller reaches the image store: 1 yes, 0 no.", "bool_yes_no"),
                Query("min(limosa_storage_reachable)", "reachable"),
                colours={0: BAD, 1: GOOD},
            ),
            stat_of(
                Text("Targets up", "The share of scraped processes that answer Prometheus.", "percentunit"),
                Query("avg(up)", "up"),
                colours={0: BAD, 1: GOOD},
            ),
        ],
    )


def _machines() -> Row:
    return Row(
        "Virtual machines",
        [
            stacked(
                Text("VMs by node", "Machines that each node holds, in any state.", "short"),
                Query(f"sum by (node) ({metric('node_vms', NODE)})", "{{node}}"),
            ),
            stacked(
                Text("VMs by state", "Machines on the chosen nodes, by state.", "short"),
                Query(f"sum by (state) ({metric('node_vms', NODE)})", "{{state}}"),
            ),
            lines(
                Text(
                    "Million instructions per second",
                    "Guest instructions that each node executes, and those of them in translated code. An idle guest "
                    "halts and executes almost none.",
                    "none",
                ),
                Query(f"{rate(metric('vm_instructions_total', NODE_VM), by='node')} / 1e6", "{{node}}"),
                Query(
                    f"{rate(metric('vm_translated_instructions_total', NODE_VM), by='node')} / 1e6",
                    "{{node}} translated",
                ),
            ),
            lines(
                Text(
                    "Time spent translating",
                    "Seconds of processor time in a second that turn hot guest code into machine code. What was "
                    "translated once comes from the node's disk, also after a migration.",
                    "none",
                ),
                Query(rate(metric("vm_translation_seconds_total", NODE_VM), by="vm"), "{{vm}}"),
            ),
            lines(
                Text(
                    "Translations",
                    "Regions of hot guest code that were compiled, and that the node's disk had from before.",
                    "ops",
                ),
                Query(rate(metric("vm_regions_compiled_total", NODE_VM), by="node"), "{{node}} compiled"),
                Query(rate(metric("vm_regions_loaded_total", NODE_VM), by="node"), "{{node}} from disk"),
            ),
            lines(
                Text("Code cache", "Machine code that each VM's process holds translated.", "bytes"),
                Query(f"sum by (vm) ({metric('vm_code_cache_bytes', NODE_VM)})", "{{vm}}"),
            ),
            lines(
                Text(
                    "Guest time per second",
                    "Seconds that pass in the guest in a second of ours. 1 is real time; below it the host is too "
                    "slow for the guest's clock, or the guest stands still.",
                    "none",
                ),
                Query(rate(metric("vm_guest_seconds_total", NODE_VM), by="vm"), "{{vm}}"),
            ),
            stacked(
                Text(
                    "Exits by reason",
                    "How often guest code gave control back to the VMM, and what for. Each exit is work that the "
                    "guest does not get done.",
                    "ops",
                ),
                Query(rate(metric("vm_exits_total", NODE_VM), by="reason"), "{{reason}}"),
            ),
            lines(
                Text(
                    "TLB misses, exceptions, interrupts",
                    "What the guest's paging and its devices ask of the processor.",
                    "ops",
                ),
                Query(rate(metric("vm_tlb_misses_total", NODE_VM), by="node"), "{{node}} TLB misses"),
                Query(rate(metric("vm_exceptions_total", NODE_VM), by="node"), "{{node}} exceptions"),
                Query(rate(metric("vm_interrupts_total", NODE_VM), by="node"), "{{node}} interrupts"),
            ),
            lines(
                Text(
                    "Pages found dirty",
                    "Pages that a collection found written. Dirty tracking costs nothing while it is off: outside "
                    "migrations this is zero.",
                    "pps",
                ),
                Query(rate(metric("vm_dirty_pages_total", NODE_VM), by="vm"), "{{vm}}"),
            ),
            lines(
                Text("Console output", "Bytes that guests write to their serial console.", "binBps"),
                Query(rate(metric("vm_console_bytes_total", NODE_VM), by="vm"), "{{vm}}"),
            ),
            lines(
                Text(
                    "Time to the first instruction",
                    "From the create command's arrival at the node to the first guest instruction; half and 95 of "
                    "100 of this time range's starts were faster.",
                    "s",
                ),
                Query(
                    quantile(0.5, metric("vm_start_seconds_bucket", NODE), by="node", over="$__range"), "{{node}} p50"
                ),
                Query(
                    quantile(0.95, metric("vm_start_seconds_bucket", NODE), by="node", over="$__range"), "{{node}} p95"
                ),
            ),
        ],
    )


def _hosts() -> Row:
    idle = metric("node_host_cpu_seconds_total", NODE, 'mode=~"idle|iowait"')
    available = metric("node_host_memory_available_bytes", NODE)
    return Row(
        "Hosts",
        [
            lines(
                Text(
                    "Host CPU",
                    "The share of the host's processors that is busy, with whatever. Nodes on one host show the same.",
                    "percentunit",
                ),
                Query(f"1 - {rate(idle, by='node')} / max by (node) ({metric('node_cpus', NODE)})", "{{node}}"),
            ),
            lines(
                Text(
                    "Domain CPU",
                    "Host processor time of each VM's process: 1 is one processor. The emulated processor is one "
                    "thread, the rest is devices, console and migration.",
                    "none",
                ),
                Query(rate(metric("vm_cpu_seconds_total", NODE_VM), by="vm"), "{{vm}}"),
            ),
            lines(
                Text("Host memory", "Used and free memory of the host. Nodes on one host show the same.", "bytes"),
                Query(f"max by (node) ({metric('node_host_memory_total_bytes', NODE)} - {available})", "{{node}} used"),
                Query(f"max by (node) ({available})", "{{node}} available"),
            ),
            lines(
                Text(
                    "Memory for VMs",
                    "Reserved: the sum of the VMs' memory sizes, migrations on their way included. A node takes no "
                    "VM that would bring it above its capacity.",
                    "bytes",
                ),
                Query(f"max by (node) ({metric('node_memory_reserved_bytes', NODE)})", "{{node}} reserved"),
                Query(f"max by (node) ({metric('node_memory_capacity_bytes', NODE)})", "{{node}} capacity"),
            ),
            lines(
                Text(
                    "Domain memory",
                    "Resident memory of each VM's process, and the guest's own size. Pages that the guest never "
                    "touched are not resident.",
                    "bytes",
                ),
                Query(f"max by (vm) ({metric('vm_resident_bytes', NODE_VM)})", "{{vm}} resident"),
                Query(f"max by (vm) ({metric('vm_memory_bytes', NODE_VM)})", "{{vm}} size"),
            ),
            events(
                Text(
                    "Processes that died",
                    "Domains that ended without being told to, and templates that had to be started again. A guest "
                    "that stops itself is not among them.",
                    "short",
                ),
                Query(added(metric("domain_deaths_total", NODE), by="node"), "{{node}} domains"),
                Query(added(metric("template_restarts_total", NODE), by="node"), "{{node}} templates"),
            ),
        ],
    )


def _services() -> Row:
    return Row(
        "Services",
        [
            lines(
                Text("gRPC calls", "Calls answered per second, by service.", "reqps"),
                Query(rate(CALLS, by="job"), "{{job}}"),
            ),
            lines(
                Text(
                    "gRPC errors",
                    "Calls that ended in an error, by service and code. FAILED_PRECONDITION and NOT_FOUND are "
                    "answers to a user's mistake, INTERNAL is ours. A cancelled stream is no error.",
                    "reqps",
                ),
                Query(or_zero(rate(REFUSED, by="job, code"), of=rate(CALLS, by="job")), "{{job}} {{code}}"),
            ),
            lines(
                Text(
                    "gRPC duration, p95",
                    "95 of 100 unary calls were answered faster. Streams are left out: they last as long as their "
                    "reader.",
                    "s",
                ),
                Query(quantile(0.95, "limosa_grpc_server_handling_seconds_bucket", by="job"), "{{job}}"),
            ),
            lines(
                Text(
                    "Service CPU",
                    "Processor time of the controller, the store and the agents: 1 is one processor.",
                    "none",
                ),
                Query(rate("process_cpu_seconds_total", by="job, instance"), "{{job}} {{instance}}"),
            ),
            lines(
                Text("Service memory", "Resident memory of the controller, the store and the agents.", "bytes"),
                Query("max by (job, instance) (process_resident_memory_bytes)", "{{job}} {{instance}}"),
            ),
            events(
                Text("Events", "What the controller's journal recorded, by kind (`limosa events`).", "short"),
                Query(added("limosa_events_total", by="kind"), "{{kind}}"),
            ),
        ],
    )


BOARD = Board(
    uid="limosa-cluster",
    title="Cluster",
    description="Nodes, the machines they run, their hosts, and the services' calls.",
    variables=(board.node(), board.vm()),
    rows=(_overview(), _machines(), _hosts(), _services()),
)
