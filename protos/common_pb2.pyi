from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VmState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VM_STATE_UNSPECIFIED: _ClassVar[VmState]
    VM_STATE_CREATED: _ClassVar[VmState]
    VM_STATE_RUNNING: _ClassVar[VmState]
    VM_STATE_PAUSED: _ClassVar[VmState]
    VM_STATE_STOPPED: _ClassVar[VmState]
    VM_STATE_INCOMING: _ClassVar[VmState]
    VM_STATE_CRASHED: _ClassVar[VmState]
VM_STATE_UNSPECIFIED: VmState
VM_STATE_CREATED: VmState
VM_STATE_RUNNING: VmState
VM_STATE_PAUSED: VmState
VM_STATE_STOPPED: VmState
VM_STATE_INCOMING: VmState
VM_STATE_CRASHED: VmState

class BlobRef(_message.Message):
    __slots__ = ("digest", "size_bytes")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size_bytes: int
    def __init__(self, digest: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class BootSource(_message.Message):
    __slots__ = ("linux", "multiboot", "bios")
    LINUX_FIELD_NUMBER: _ClassVar[int]
    MULTIBOOT_FIELD_NUMBER: _ClassVar[int]
    BIOS_FIELD_NUMBER: _ClassVar[int]
    linux: LinuxBoot
    multiboot: MultibootBoot
    bios: BiosBoot
    def __init__(self, linux: _Optional[_Union[LinuxBoot, _Mapping]] = ..., multiboot: _Optional[_Union[MultibootBoot, _Mapping]] = ..., bios: _Optional[_Union[BiosBoot, _Mapping]] = ...) -> None: ...

class LinuxBoot(_message.Message):
    __slots__ = ("kernel", "initrd", "command_line")
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    INITRD_FIELD_NUMBER: _ClassVar[int]
    COMMAND_LINE_FIELD_NUMBER: _ClassVar[int]
    kernel: BlobRef
    initrd: BlobRef
    command_line: str
    def __init__(self, kernel: _Optional[_Union[BlobRef, _Mapping]] = ..., initrd: _Optional[_Union[BlobRef, _Mapping]] = ..., command_line: _Optional[str] = ...) -> None: ...

class MultibootBoot(_message.Message):
    __slots__ = ("kernel", "command_line", "modules")
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    COMMAND_LINE_FIELD_NUMBER: _ClassVar[int]
    MODULES_FIELD_NUMBER: _ClassVar[int]
    kernel: BlobRef
    command_line: str
    modules: _containers.RepeatedCompositeFieldContainer[BlobRef]
    def __init__(self, kernel: _Optional[_Union[BlobRef, _Mapping]] = ..., command_line: _Optional[str] = ..., modules: _Optional[_Iterable[_Union[BlobRef, _Mapping]]] = ...) -> None: ...

class BiosBoot(_message.Message):
    __slots__ = ("rom",)
    ROM_FIELD_NUMBER: _ClassVar[int]
    rom: BlobRef
    def __init__(self, rom: _Optional[_Union[BlobRef, _Mapping]] = ...) -> None: ...

class VmSpec(_message.Message):
    __slots__ = ("name", "memory_bytes", "vmm", "clock", "exit_port", "boot", "cpu")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    VMM_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    EXIT_PORT_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    CPU_FIELD_NUMBER: _ClassVar[int]
    name: str
    memory_bytes: int
    vmm: str
    clock: str
    exit_port: int
    boot: BootSource
    cpu: str
    def __init__(self, name: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., vmm: _Optional[str] = ..., clock: _Optional[str] = ..., exit_port: _Optional[int] = ..., boot: _Optional[_Union[BootSource, _Mapping]] = ..., cpu: _Optional[str] = ...) -> None: ...

class MigrationOptions(_message.Message):
    __slots__ = ("algorithm", "bandwidth_bytes_per_s", "max_downtime_ns", "max_rounds")
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    BANDWIDTH_BYTES_PER_S_FIELD_NUMBER: _ClassVar[int]
    MAX_DOWNTIME_NS_FIELD_NUMBER: _ClassVar[int]
    MAX_ROUNDS_FIELD_NUMBER: _ClassVar[int]
    algorithm: str
    bandwidth_bytes_per_s: int
    max_downtime_ns: int
    max_rounds: int
    def __init__(self, algorithm: _Optional[str] = ..., bandwidth_bytes_per_s: _Optional[int] = ..., max_downtime_ns: _Optional[int] = ..., max_rounds: _Optional[int] = ...) -> None: ...

class Round(_message.Message):
    __slots__ = ("number", "pages_normal", "pages_zero", "bytes_sent", "duration_ns", "dirty_pages_after", "dirty_pages_per_s", "bytes_per_s", "predicted_downtime_ns", "verdict", "reason")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGES_NORMAL_FIELD_NUMBER: _ClassVar[int]
    PAGES_ZERO_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    DURATION_NS_FIELD_NUMBER: _ClassVar[int]
    DIRTY_PAGES_AFTER_FIELD_NUMBER: _ClassVar[int]
    DIRTY_PAGES_PER_S_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_S_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_DOWNTIME_NS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    pages_normal: int
    pages_zero: int
    bytes_sent: int
    duration_ns: int
    dirty_pages_after: int
    dirty_pages_per_s: float
    bytes_per_s: float
    predicted_downtime_ns: int
    verdict: str
    reason: str
    def __init__(self, number: _Optional[int] = ..., pages_normal: _Optional[int] = ..., pages_zero: _Optional[int] = ..., bytes_sent: _Optional[int] = ..., duration_ns: _Optional[int] = ..., dirty_pages_after: _Optional[int] = ..., dirty_pages_per_s: _Optional[float] = ..., bytes_per_s: _Optional[float] = ..., predicted_downtime_ns: _Optional[int] = ..., verdict: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DowntimePart(_message.Message):
    __slots__ = ("name", "duration_ns")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DURATION_NS_FIELD_NUMBER: _ClassVar[int]
    name: str
    duration_ns: int
    def __init__(self, name: _Optional[str] = ..., duration_ns: _Optional[int] = ...) -> None: ...

class MigrationRecord(_message.Message):
    __slots__ = ("migration_id", "vm", "source", "target", "options", "phase", "result", "error", "runs_on", "rounds", "downtime_parts", "downtime_ns", "total_ns", "setup_ns", "bytes_sent", "pages_normal", "pages_zero", "digest", "started_unix_ns", "ended_unix_ns")
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RUNS_ON_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    DOWNTIME_PARTS_FIELD_NUMBER: _ClassVar[int]
    DOWNTIME_NS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_NS_FIELD_NUMBER: _ClassVar[int]
    SETUP_NS_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    PAGES_NORMAL_FIELD_NUMBER: _ClassVar[int]
    PAGES_ZERO_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    STARTED_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    ENDED_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    migration_id: str
    vm: str
    source: str
    target: str
    options: MigrationOptions
    phase: str
    result: str
    error: str
    runs_on: str
    rounds: _containers.RepeatedCompositeFieldContainer[Round]
    downtime_parts: _containers.RepeatedCompositeFieldContainer[DowntimePart]
    downtime_ns: int
    total_ns: int
    setup_ns: int
    bytes_sent: int
    pages_normal: int
    pages_zero: int
    digest: str
    started_unix_ns: int
    ended_unix_ns: int
    def __init__(self, migration_id: _Optional[str] = ..., vm: _Optional[str] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., options: _Optional[_Union[MigrationOptions, _Mapping]] = ..., phase: _Optional[str] = ..., result: _Optional[str] = ..., error: _Optional[str] = ..., runs_on: _Optional[str] = ..., rounds: _Optional[_Iterable[_Union[Round, _Mapping]]] = ..., downtime_parts: _Optional[_Iterable[_Union[DowntimePart, _Mapping]]] = ..., downtime_ns: _Optional[int] = ..., total_ns: _Optional[int] = ..., setup_ns: _Optional[int] = ..., bytes_sent: _Optional[int] = ..., pages_normal: _Optional[int] = ..., pages_zero: _Optional[int] = ..., digest: _Optional[str] = ..., started_unix_ns: _Optional[int] = ..., ended_unix_ns: _Optional[int] = ...) -> None: ...
