"""How soon two processes of a cluster miss each other, when one vanishes without a word: its host, or the network.

A process that ends, however it ends, is missed at once: its system closes the connection. Otherwise each side sends a
ping after `SILENCE_MS` in which it heard nothing, and gives the connection up when the answer does not come within
`ANSWER_MS`. Both sides do it, so both know within `BOUND_S`.

`keepalive_timeout_ms` alone does not do that: as measured, gRPC waits for the answer of a ping for
`grpc.http2.ping_timeout_ms`, which is a minute unless it is set (80 s in all, where 25 were meant).
"""

SILENCE_MS = 20_000
ANSWER_MS = 5_000
BOUND_S = (SILENCE_MS + ANSWER_MS) / 1000

_BOTH = (
    ("grpc.keepalive_time_ms", SILENCE_MS),
    ("grpc.keepalive_timeout_ms", ANSWER_MS),
    ("grpc.http2.ping_timeout_ms", ANSWER_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),  # no limit: the streams between us may be silent for days
)
CLIENT_OPTIONS = _BOTH
SERVER_OPTIONS = (*_BOTH, ("grpc.http2.min_ping_interval_without_data_ms", SILENCE_MS // 4))
