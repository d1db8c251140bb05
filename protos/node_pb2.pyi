from protos import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NodeInfo(_message.Message):
    __slots__ = ("name", "version", "stream_version", "memory_bytes", "cpus", "vms", "vmm_modes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STREAM_VERSION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPUS_FIELD_NUMBER: _ClassVar[int]
    VMS_FIELD_NUMBER: _ClassVar[int]
    VMM_MODES_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    stream_version: int
    memory_bytes: int
    cpus: int
    vms: int
    vmm_modes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., stream_version: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., cpus: _Optional[int] = ..., vms: _Optional[int] = ..., vmm_modes: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateVmRequest(_message.Message):
    __slots__ = ("request_id", "spec")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    spec: _common_pb2.VmSpec
    def __init__(self, request_id: _Optional[str] = ..., spec: _Optional[_Union[_common_pb2.VmSpec, _Mapping]] = ...) -> None: ...

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
    vms: _containers.RepeatedCompositeFieldContainer[VmInfo]
    def __init__(self, vms: _Optional[_Iterable[_Union[VmInfo, _Mapping]]] = ...) -> None: ...

class VmInfo(_message.Message):
    __slots__ = ("spec", "state", "reason", "pid", "instructions", "guest_time_ns", "console_bytes", "exit_status", "create_to_first_instruction_ns", "migration_id", "counters", "cpu_ns", "resident_bytes", "dirty_pages")
    class CountersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    GUEST_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXIT_STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TO_FIRST_INSTRUCTION_NS_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    CPU_NS_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    DIRTY_PAGES_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.VmSpec
    state: _common_pb2.VmState
    reason: str
    pid: int
    instructions: int
    guest_time_ns: int
    console_bytes: int
    exit_status: int
    create_to_first_instruction_ns: int
    migration_id: str
    counters: _containers.ScalarMap[str, int]
    cpu_ns: int
    resident_bytes: int
    dirty_pages: int
    def __init__(self, spec: _Optional[_Union[_common_pb2.VmSpec, _Mapping]] = ..., state: _Optional[_Union[_common_pb2.VmState, str]] = ..., reason: _Optional[str] = ..., pid: _Optional[int] = ..., instructions: _Optional[int] = ..., guest_time_ns: _Optional[int] = ..., console_bytes: _Optional[int] = ..., exit_status: _Optional[int] = ..., create_to_first_instruction_ns: _Optional[int] = ..., migration_id: _Optional[str] = ..., counters: _Optional[_Mapping[str, int]] = ..., cpu_ns: _Optional[int] = ..., resident_bytes: _Optional[int] = ..., dirty_pages: _Optional[int] = ...) -> None: ...

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

class WatchRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NodeEvent(_message.Message):
    __slots__ = ("unix_ns", "vm", "state", "reason")
    UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    unix_ns: int
    vm: str
    state: _common_pb2.VmState
    reason: str
    def __init__(self, unix_ns: _Optional[int] = ..., vm: _Optional[str] = ..., state: _Optional[_Union[_common_pb2.VmState, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class PrepareIncomingRequest(_message.Message):
    __slots__ = ("migration_id", "spec")
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    migration_id: str
    spec: _common_pb2.VmSpec
    def __init__(self, migration_id: _Optional[str] = ..., spec: _Optional[_Union[_common_pb2.VmSpec, _Mapping]] = ...) -> None: ...

class PrepareIncomingReply(_message.Message):
    __slots__ = ("host", "port", "token")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    token: str
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class MigrateOutRequest(_message.Message):
    __slots__ = ("migration_id", "vm", "host", "port", "token", "options")
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    migration_id: str
    vm: str
    host: str
    port: int
    token: str
    options: _common_pb2.MigrationOptions
    def __init__(self, migration_id: _Optional[str] = ..., vm: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., token: _Optional[str] = ..., options: _Optional[_Union[_common_pb2.MigrationOptions, _Mapping]] = ...) -> None: ...

class MigrationRequest(_message.Message):
    __slots__ = ("migration_id",)
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    migration_id: str
    def __init__(self, migration_id: _Optional[str] = ...) -> None: ...

class MigrationReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ActivateReply(_message.Message):
    __slots__ = ("resume_ns",)
    RESUME_NS_FIELD_NUMBER: _ClassVar[int]
    resume_ns: int
    def __init__(self, resume_ns: _Optional[int] = ...) -> None: ...

class MigrationEvent(_message.Message):
    __slots__ = ("phase", "round", "ready_to_commit", "failed", "progress")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    READY_TO_COMMIT_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    phase: str
    round: _common_pb2.Round
    ready_to_commit: ReadyToCommit
    failed: Failed
    progress: Progress
    def __init__(self, phase: _Optional[str] = ..., round: _Optional[_Union[_common_pb2.Round, _Mapping]] = ..., ready_to_commit: _Optional[_Union[ReadyToCommit, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("round", "pages_remaining", "bytes_sent", "bytes_per_s")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PAGES_REMAINING_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_S_FIELD_NUMBER: _ClassVar[int]
    round: int
    pages_remaining: int
    bytes_sent: int
    bytes_per_s: float
    def __init__(self, round: _Optional[int] = ..., pages_remaining: _Optional[int] = ..., bytes_sent: _Optional[int] = ..., bytes_per_s: _Optional[float] = ...) -> None: ...

class ReadyToCommit(_message.Message):
    __slots__ = ("digest", "parts", "paused_for_ns", "setup_ns", "bytes_sent", "pages_normal", "pages_zero")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FOR_NS_FIELD_NUMBER: _ClassVar[int]
    SETUP_NS_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    PAGES_NORMAL_FIELD_NUMBER: _ClassVar[int]
    PAGES_ZERO_FIELD_NUMBER: _ClassVar[int]
    digest: str
    parts: _containers.RepeatedCompositeFieldContainer[_common_pb2.DowntimePart]
    paused_for_ns: int
    setup_ns: int
    bytes_sent: int
    pages_normal: int
    pages_zero: int
    def __init__(self, digest: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[_common_pb2.DowntimePart, _Mapping]]] = ..., paused_for_ns: _Optional[int] = ..., setup_ns: _Optional[int] = ..., bytes_sent: _Optional[int] = ..., pages_normal: _Optional[int] = ..., pages_zero: _Optional[int] = ...) -> None: ...

class Failed(_message.Message):
    __slots__ = ("kind", "error")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    kind: str
    error: str
    def __init__(self, kind: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...
