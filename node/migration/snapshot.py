"""CPU and devices as octets: a schema that describes itself, then the fields' values.

    "LIMOSNAP" | version u16 | reserved u16 | schema length u32 | schema (JSON, UTF-8) | values

The schema lists every record (by name, ascending) with its shape and its fields in order: path, numpy type, shape.
Values follow in that order, packed, little-endian; padding between fields is not state and is not carried, so equal
machines give equal octets. `decode` writes nothing unless all of it fits: an unknown, missing, retyped or reshaped
record or field is an error that names it. There is no code per device anywhere (design: state is data).
"""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = b"LIMOSNAP"
VERSION = 1
HEAD = struct.Struct("<8sHHI")
SCHEMA_BYTES = 4 << 20  # at most
KINDS = "biu?f"  # plain values: no objects, no strings, no platform-sized floats

Records = Mapping[str, npt.NDArray[Any]]
Leaf = tuple[str, npt.NDArray[Any]]


class SnapshotError(ValueError):
    """A snapshot that is damaged, or not of this machine."""


def leaves(name: str, array: npt.NDArray[Any]) -> Iterator[Leaf]:
    """Every plain field of a (nested) structured array, as live views, with its dotted path."""
    if array.dtype.names is not None:
        for field in array.dtype.names:
            yield from leaves(f"{name}.{field}", array[field])
        return
    if array.dtype.kind not in KINDS or array.dtype.itemsize > 8:
        raise SnapshotError(f"{name} is of type {array.dtype}, which a snapshot cannot carry")
    yield name, array


def _portable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def schema_of(records: Records) -> list[dict[str, Any]]:
    return [
        {
            "record": name,
            "shape": list(records[name].shape),
            "fields": [
                [path, _portable(leaf.dtype).str, list(leaf.shape)] for path, leaf in leaves(name, records[name])
            ],
        }
        for name in sorted(records)
    ]


def encode(records: Records) -> bytes:
    """The records' octets with their schema."""
    schema = json.dumps(schema_of(records), separators=(",", ":")).encode()
    values = [
        leaf.astype(_portable(leaf.dtype), copy=False).tobytes()
        for name in sorted(records)
        for _, leaf in leaves(name, records[name])
    ]
    return HEAD.pack(MAGIC, VERSION, 0, len(schema)) + schema + b"".join(values)


def parse(data: bytes) -> tuple[list[dict[str, Any]], memoryview]:
    """Schema and values, with nothing believed but what was checked here."""
    if len(data) < HEAD.size:
        raise SnapshotError(f"a snapshot of {len(data)} octets is shorter than its head")
    magic, version, reserved, length = HEAD.unpack_from(data)
    if magic != MAGIC or reserved:
        raise SnapshotError("this is no snapshot")
    if version != VERSION:
        raise SnapshotError(f"the snapshot is of version {version}, this side reads {VERSION}")
    if length > SCHEMA_BYTES or HEAD.size + length > len(data):
        raise SnapshotError(f"the snapshot's schema of {length} octets does not fit")
    try:
        schema = json.loads(data[HEAD.size : HEAD.size + length])
    except (ValueError, RecursionError):
        raise SnapshotError("the snapshot's schema is not JSON") from None
    return schema, memoryview(data)[HEAD.size + length :]


def decode(data: bytes, into: Records) -> None:
    """Overwrite the live records with the snapshot's values, or change nothing and say what does not fit."""
    schema, values = parse(data)
    mine = schema_of(into)
    if schema != mine:
        raise SnapshotError(_disagreement(schema, mine))
    live = [leaf for name in sorted(into) for _, leaf in leaves(name, into[name])]
    if sum(leaf.nbytes for leaf in live) != len(values):
        raise SnapshotError(f"the snapshot has {len(values)} octets of values, its schema says otherwise")
    at = 0
    for leaf in live:
        raw = np.frombuffer(values, _portable(leaf.dtype), leaf.size, at)
        leaf[...] = raw.reshape(leaf.shape)
        at += leaf.nbytes


def _disagreement(theirs: Any, mine: list[dict[str, Any]]) -> str:
    """The first difference of two schemas, in words."""
    try:
        their_fields = {path: (kind, tuple(shape)) for record in theirs for path, kind, shape in record["fields"]}
        their_names = {str(record["record"]) for record in theirs}
    except (TypeError, ValueError, KeyError):
        return "the snapshot's schema is malformed"
    my_fields = {path: (kind, tuple(shape)) for record in mine for path, kind, shape in record["fields"]}
    my_names = {record["record"] for record in mine}
    named: list[tuple[str, set[str]]] = [
        ("lacks the record", my_names - their_names),
        ("has the unknown record", their_names - my_names),
        ("lacks the field", set(my_fields) - set(their_fields)),
        ("has the unknown field", set(their_fields) - set(my_fields)),
    ]
    for what, names in named:
        if names:
            return f"the snapshot {what} {min(names)}"
    for path, (kind, shape) in my_fields.items():
        if their_fields[path] != (kind, shape):
            return f"the snapshot has {path} as {their_fields[path]}, this machine as {(kind, shape)}"
    return "the snapshot has its records or fields in another order or shape"


def first_difference(one: bytes, other: bytes) -> str | None:
    """The path of the first field in which two snapshots of one schema differ."""
    if one == other:
        return None
    (schema, here), (others, there) = parse(one), parse(other)
    if schema != others:
        return _disagreement(others, schema)
    at = 0
    for record in schema:
        for path, kind, shape in record["fields"]:
            size = np.dtype(kind).itemsize * int(np.prod(shape, dtype=np.int64))
            if here[at : at + size] != there[at : at + size]:
                return str(path)
            at += size
    return "the values' length"
