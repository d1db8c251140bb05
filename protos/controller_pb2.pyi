from protos import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("cluster_id", "version", "storage_address", "nodes", "vms", "jobs_running", "storage_state", "metrics_address")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STORAGE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    VMS_FIELD_NUMBER: _ClassVar[int]
    JOBS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    STORAGE_STATE_FIELD_NUMBER: _ClassVar[int]
    METRICS_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    version: str
    storage_address: str
    nodes: int
    vms: int
    jobs_running: int
    storage_state: str
    metrics_address: str
    def __init__(self, cluster_id: _Optional[str] = ..., version: _Optional[str] = ..., storage_address: _Optional[str] = ..., nodes: _Optional[int] = ..., vms: _Optional[int] = ..., jobs_running: _Optional[int] = ..., storage_state: _Optional[str] = ..., metrics_address: _Optional[str] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("name", "address", "state", "memory_bytes", "cpus", "vms", "joined_unix_ns", "version", "metrics_address")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPUS_FIELD_NUMBER: _ClassVar[int]
    VMS_FIELD_NUMBER: _ClassVar[int]
    JOINED_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METRICS_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    state: str
    memory_bytes: int
    cpus: int
    vms: int
    joined_unix_ns: int
    version: str
    metrics_address: str
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., state: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., cpus: _Optional[int] = ..., vms: _Optional[int] = ..., joined_unix_ns: _Optional[int] = ..., version: _Optional[str] = ..., metrics_address: _Optional[str] = ...) -> None: ...

class NodeRequest(_message.Message):
    __slots__ = ("node",)
    NODE_FIELD_NUMBER: _ClassVar[int]
    node: str
    def __init__(self, node: _Optional[str] = ...) -> None: ...

class ForgetNodeReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListNodesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListNodesReply(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ...) -> None: ...

class CreateVmRequest(_message.Message):
    __slots__ = ("spec", "node", "image", "append", "start", "request_id")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.VmSpec
    node: str
    image: str
    append: str
    start: bool
    request_id: str
    def __init__(self, spec: _Optional[_Union[_common_pb2.VmSpec, _Mapping]] = ..., node: _Optional[str] = ..., image: _Optional[str] = ..., append: _Optional[str] = ..., start: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class VmRequest(_message.Message):
    __slots__ = ("vm",)
    VM_FIELD_NUMBER: _ClassVar[int]
    vm: str
    def __init__(self, vm: _Optional[str] = ...) -> None: ...

class DestroyVmReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListVmsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListVmsReply(_message.Message):
    __slots__ = ("vms",)
    VMS_FIELD_NUMBER: _ClassVar[int]
    vms: _containers.RepeatedCompositeFieldContainer[Vm]
    def __init__(self, vms: _Optional[_Iterable[_Union[Vm, _Mapping]]] = ...) -> None: ...

class Vm(_message.Message):
    __slots__ = ("spec", "state", "node", "reason", "image", "instructions", "guest_time_ns", "console_bytes", "pid", "exit_status", "job", "create_to_first_instruction_ns", "created_unix_ns", "migrations", "cpu_ns", "resident_bytes")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    GUEST_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    EXIT_STATUS_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    CREATE_TO_FIRST_INSTRUCTION_NS_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    MIGRATIONS_FIELD_NUMBER: _ClassVar[int]
    CPU_NS_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.VmSpec
    state: _common_pb2.VmState
    node: str
    reason: str
    image: str
    instructions: int
    guest_time_ns: int
    console_bytes: int
    pid: int
    exit_status: int
    job: str
    create_to_first_instruction_ns: int
    created_unix_ns: int
    migrations: int
    cpu_ns: int
    resident_bytes: int
    def __init__(self, spec: _Optional[_Union[_common_pb2.VmSpec, _Mapping]] = ..., state: _Optional[_Union[_common_pb2.VmState, str]] = ..., node: _Optional[str] = ..., reason: _Optional[str] = ..., image: _Optional[str] = ..., instructions: _Optional[int] = ..., guest_time_ns: _Optional[int] = ..., console_bytes: _Optional[int] = ..., pid: _Optional[int] = ..., exit_status: _Optional[int] = ..., job: _Optional[str] = ..., create_to_first_instruction_ns: _Optional[int] = ..., created_unix_ns: _Optional[int] = ..., migrations: _Optional[int] = ..., cpu_ns: _Optional[int] = ..., resident_bytes: _Optional[int] = ...) -> None: ...

class ConsoleInput(_message.Message):
    __slots__ = ("vm", "from_offset", "data")
    VM_FIELD_NUMBER: _ClassVar[int]
    FROM_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    vm: str
    from_offset: int
    data: bytes
    def __init__(self, vm: _Optional[str] = ..., from_offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ConsoleOutput(_message.Message):
    __slots__ = ("offset", "data", "closed")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    closed: str
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ..., closed: _Optional[str] = ...) -> None: ...

class MigrateRequest(_message.Message):
    __slots__ = ("vm", "target", "options", "request_id")
    VM_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    vm: str
    target: str
    options: _common_pb2.MigrationOptions
    request_id: str
    def __init__(self, vm: _Optional[str] = ..., target: _Optional[str] = ..., options: _Optional[_Union[_common_pb2.MigrationOptions, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class JobRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: str
    def __init__(self, job: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "state", "migration", "pages_remaining", "bytes_per_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_FIELD_NUMBER: _ClassVar[int]
    PAGES_REMAINING_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_S_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: str
    migration: _common_pb2.MigrationRecord
    pages_remaining: int
    bytes_per_s: float
    def __init__(self, id: _Optional[str] = ..., state: _Optional[str] = ..., migration: _Optional[_Union[_common_pb2.MigrationRecord, _Mapping]] = ..., pages_remaining: _Optional[int] = ..., bytes_per_s: _Optional[float] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("running", "last")
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    running: bool
    last: int
    def __init__(self, running: _Optional[bool] = ..., last: _Optional[int] = ...) -> None: ...

class ListJobsReply(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ...) -> None: ...

class EventsRequest(_message.Message):
    __slots__ = ("follow", "after")
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    follow: bool
    after: int
    def __init__(self, follow: _Optional[bool] = ..., after: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("sequence", "unix_ns", "kind", "vm", "node", "job", "text")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    unix_ns: int
    kind: str
    vm: str
    node: str
    job: str
    text: str
    def __init__(self, sequence: _Optional[int] = ..., unix_ns: _Optional[int] = ..., kind: _Optional[str] = ..., vm: _Optional[str] = ..., node: _Optional[str] = ..., job: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("name", "address", "version", "memory_bytes", "cpus", "metrics_address")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPUS_FIELD_NUMBER: _ClassVar[int]
    METRICS_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    version: str
    memory_bytes: int
    cpus: int
    metrics_address: str
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., version: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., cpus: _Optional[int] = ..., metrics_address: _Optional[str] = ...) -> None: ...

class ControllerNotice(_message.Message):
    __slots__ = ("storage_address", "cluster_id")
    STORAGE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    storage_address: str
    cluster_id: str
    def __init__(self, storage_address: _Optional[str] = ..., cluster_id: _Optional[str] = ...) -> None: ...
