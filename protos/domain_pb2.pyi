from protos import common_pb2 as _common_pb2
from protos import node_pb2 as _node_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Envelope(_message.Message):
    __slots__ = ("id", "build", "start", "pause", "resume", "stop", "describe", "console_input", "console_attach", "listen", "migrate_out", "cancel_migration", "activate", "done", "error", "info", "console_output", "migration_event", "state_changed", "listening")
    ID_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_INPUT_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_ATTACH_FIELD_NUMBER: _ClassVar[int]
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    MIGRATE_OUT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_MIGRATION_FIELD_NUMBER: _ClassVar[int]
    ACTIVATE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_EVENT_FIELD_NUMBER: _ClassVar[int]
    STATE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    LISTENING_FIELD_NUMBER: _ClassVar[int]
    id: int
    build: Build
    start: Empty
    pause: Empty
    resume: Empty
    stop: Empty
    describe: Empty
    console_input: bytes
    console_attach: int
    listen: Listen
    migrate_out: _node_pb2.MigrateOutRequest
    cancel_migration: str
    activate: str
    done: Done
    error: Error
    info: _node_pb2.VmInfo
    console_output: _node_pb2.ConsoleOutput
    migration_event: _node_pb2.MigrationEvent
    state_changed: _node_pb2.NodeEvent
    listening: Listening
    def __init__(self, id: _Optional[int] = ..., build: _Optional[_Union[Build, _Mapping]] = ..., start: _Optional[_Union[Empty, _Mapping]] = ..., pause: _Optional[_Union[Empty, _Mapping]] = ..., resume: _Optional[_Union[Empty, _Mapping]] = ..., stop: _Optional[_Union[Empty, _Mapping]] = ..., describe: _Optional[_Union[Empty, _Mapping]] = ..., console_input: _Optional[bytes] = ..., console_attach: _Optional[int] = ..., listen: _Optional[_Union[Listen, _Mapping]] = ..., migrate_out: _Optional[_Union[_node_pb2.MigrateOutRequest, _Mapping]] = ..., cancel_migration: _Optional[str] = ..., activate: _Optional[str] = ..., done: _Optional[_Union[Done, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., info: _Optional[_Union[_node_pb2.VmInfo, _Mapping]] = ..., console_output: _Optional[_Union[_node_pb2.ConsoleOutput, _Mapping]] = ..., migration_event: _Optional[_Union[_node_pb2.MigrationEvent, _Mapping]] = ..., state_changed: _Optional[_Union[_node_pb2.NodeEvent, _Mapping]] = ..., listening: _Optional[_Union[Listening, _Mapping]] = ...) -> None: ...

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Done(_message.Message):
    __slots__ = ("duration_ns",)
    DURATION_NS_FIELD_NUMBER: _ClassVar[int]
    duration_ns: int
    def __init__(self, duration_ns: _Optional[int] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("kind", "text")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    text: str
    def __init__(self, kind: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class Build(_message.Message):
    __slots__ = ("spec", "incoming", "migration_id", "files")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SPEC_FIELD_NUMBER: _ClassVar[int]
    INCOMING_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.VmSpec
    incoming: bool
    migration_id: str
    files: _containers.ScalarMap[str, str]
    def __init__(self, spec: _Optional[_Union[_common_pb2.VmSpec, _Mapping]] = ..., incoming: _Optional[bool] = ..., migration_id: _Optional[str] = ..., files: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Listen(_message.Message):
    __slots__ = ("host", "token", "migration_id")
    HOST_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    MIGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    host: str
    token: str
    migration_id: str
    def __init__(self, host: _Optional[str] = ..., token: _Optional[str] = ..., migration_id: _Optional[str] = ...) -> None: ...

class Listening(_message.Message):
    __slots__ = ("host", "port")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...
