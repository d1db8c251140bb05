"""`limosa top` where nothing can be redrawn: one line a look, for logs or, as JSON, for programs."""

import json

from controller.cli.schema import moment
from controller.cli.top_frame import mips, percent
from controller.cli.top_rows import Figures, Row
from controller.cli.units import format_bytes, format_ns, format_rate


def text_line(shown: Figures) -> str:
    """The totals as words with figures, then each running migration."""
    total = shown.total
    facts = {
        "nodes": f"{total['nodes_ready']}/{total['nodes']}",
        "vms": f"{total['vms_running']}/{total['vms']}",
        "mips": "-" if total["instructions_per_s"] is None else mips(total["instructions_per_s"]),
        "cpu": "-" if total["cpu_share"] is None else percent(total["cpu_share"]),
        "promised": format_bytes(total["memory_promised_bytes"]).replace(" ", ""),
        "migrations": str(total["migrations"]),
    }
    words = [moment(shown.unix_ns) or "", *(f"{name}={value}" for name, value in facts.items())]
    return "; ".join([" ".join(words), *(_migration(row) for row in shown.migrations)])


def json_line(shown: Figures) -> str:
    """Everything that the terminal would show, as one object; rates that are not known are null."""
    whole = {
        "time": moment(shown.unix_ns),
        "total": shown.total,
        "nodes": shown.nodes,
        "migrations": shown.migrations,
        "vms": shown.vms,
    }
    return json.dumps(whole, ensure_ascii=False)


def _migration(row: Row) -> str:
    parts = [
        f"{row['vm']} {row['source']}→{row['target']} {row['phase']}, round {row['round']}",
        f"sent {format_bytes(row['sent_bytes'])}, left {format_bytes(row['left_bytes'])}",
        f"link {format_rate(row['bytes_per_s'])}",
    ]
    if row["dirty_bytes_per_s"] is not None:
        parts += [f"writes {format_rate(row['dirty_bytes_per_s'])}"]
        parts += [f"downtime {format_ns(row['predicted_downtime_ns'])} of {format_ns(row['max_downtime_ns'])}"]
    return ", ".join([*parts, row["verdict"]])
