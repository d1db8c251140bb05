"""The rows that users get: protobuf messages as plain dicts. These keys are the CLI's schema; change them with care.

Names are the protocol's own, units last (`_bytes`, `_ns`, `_pages`); states are lower-case words; times are RFC 3339 in
UTC, null when they have not come yet.
"""

from datetime import UTC, datetime
from typing import Any

from protos import common_pb2, controller_pb2, storage_pb2

Row = dict[str, Any]

BLOB_FIELDS = {"linux": ("kernel", "initrd"), "multiboot": ("kernel",), "bios": ("rom",)}


def vm_row(vm: controller_pb2.Vm) -> Row:
    spec = vm.spec
    kind = spec.boot.WhichOneof("kind") or "multiboot"
    return {
        "name": spec.name,
        "state": vm_state(vm.state),
        "node": vm.node,
        "reason": vm.reason,
        "image": vm.image,
        "boot": kind,
        "command_line": getattr(getattr(spec.boot, kind), "command_line", ""),
        "memory_bytes": spec.memory_bytes,
        "vmm": spec.vmm,
        "clock": spec.clock,
        "exit_port": spec.exit_port,
        "exit_status": vm.exit_status,
        "instructions": vm.instructions,
        "guest_time_ns": vm.guest_time_ns,
        "console_bytes": vm.console_bytes,
        "pid": vm.pid,
        "cpu_ns": vm.cpu_ns,
        "resident_bytes": vm.resident_bytes,
        "job": vm.job,
        "migrations": vm.migrations,
        "create_to_first_instruction_ns": vm.create_to_first_instruction_ns,
        "created": moment(vm.created_unix_ns),
    }


def vm_state(state: common_pb2.VmState) -> str:
    name = common_pb2.VmState.Name(state).removeprefix("VM_STATE_").lower()
    return "unknown" if name == "unspecified" else name


def node_row(node: controller_pb2.Node) -> Row:
    return {
        "name": node.name,
        "state": node.state,
        "address": node.address,
        "memory_bytes": node.memory_bytes,
        "cpus": node.cpus,
        "vms": node.vms,
        "version": node.version,
        "metrics": node.metrics_address,
        "joined": moment(node.joined_unix_ns),
    }


def job_row(job: controller_pb2.Job) -> Row:
    record = job.migration
    return {
        "id": job.id,
        "state": job.state,
        "vm": record.vm,
        "source": record.source,
        "target": record.target,
        "algorithm": record.options.algorithm,
        "bandwidth_bytes_per_s": record.options.bandwidth_bytes_per_s,
        "max_downtime_ns": record.options.max_downtime_ns,
        "phase": record.phase,
        "error": record.error,
        "runs_on": record.runs_on,
        "downtime_ns": record.downtime_ns,
        "downtime_parts": [{"name": part.name, "duration_ns": part.duration_ns} for part in record.downtime_parts],
        "total_ns": record.total_ns,
        "setup_ns": record.setup_ns,
        "bytes_sent": record.bytes_sent,
        "pages_normal": record.pages_normal,
        "pages_zero": record.pages_zero,
        "pages_remaining": job.pages_remaining,
        "bytes_per_s": job.bytes_per_s,
        "digest": record.digest,
        "rounds": [round_row(entry) for entry in record.rounds],
        "started": moment(record.started_unix_ns),
        "ended": moment(record.ended_unix_ns),
    }


def round_row(entry: common_pb2.Round) -> Row:
    return {
        "number": entry.number,
        "pages_normal": entry.pages_normal,
        "pages_zero": entry.pages_zero,
        "bytes_sent": entry.bytes_sent,
        "duration_ns": entry.duration_ns,
        "dirty_pages_after": entry.dirty_pages_after,
        "dirty_pages_per_s": entry.dirty_pages_per_s,
        "bytes_per_s": entry.bytes_per_s,
        "predicted_downtime_ns": entry.predicted_downtime_ns,
        "verdict": entry.verdict,
        "reason": entry.reason,
    }


def event_row(event: controller_pb2.Event) -> Row:
    return {
        "sequence": event.sequence,
        "time": moment(event.unix_ns),
        "kind": event.kind,
        "vm": event.vm,
        "node": event.node,
        "job": event.job,
        "text": event.text,
    }


def image_row(image: storage_pb2.Image) -> Row:
    kind = image.boot.WhichOneof("kind") or "multiboot"
    source = getattr(image.boot, kind)
    blobs = [getattr(source, field) for field in BLOB_FIELDS[kind] if source.HasField(field)]
    return {
        "name": image.name,
        "description": image.description,
        "boot": kind,
        "command_line": getattr(source, "command_line", ""),
        "size_bytes": sum(blob.size_bytes for blob in blobs),
        "memory_bytes_min": image.memory_bytes_min,
        "source": image.source,
        "digests": [blob.digest for blob in blobs],
        "created": moment(image.created_unix_ns),
    }


def moment(unix_ns: int) -> str | None:
    if not unix_ns:
        return None
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
