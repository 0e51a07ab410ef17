"""Messages of JSON-RPC 2.0 with a heading of their length, as the Language Server Protocol sends them."""

from __future__ import annotations

import json
from typing import IO, Any

Message = dict[str, Any]

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INTERNAL, NOT_INITIALIZED = -32700, -32600, -32601, -32603, -32002

LARGEST = 1 << 28
"""Bytes of a message; a heading that speaks of more is none."""


class Malformed(Exception):
    """What was received is no message. `ends`: nothing that follows can be told apart either."""

    def __init__(self, reason: str, ends: bool = False) -> None:
        super().__init__(reason)
        self.ends = ends


def receive(stream: IO[bytes]) -> Message | None:
    """The next message; None at the end. Malformed for what is none."""
    length = None
    while (line := stream.readline(1 << 12)).strip():
        name, _, value = line.decode("ascii", "replace").partition(":")
        if name.strip().lower() == "content-length":
            length = int(value) if value.strip().isdigit() else None
    if not line:
        return None
    if length is None or length > LARGEST:
        raise Malformed("a heading without a length", ends=True)
    body = stream.read(length)
    if len(body) < length:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as reason:
        raise Malformed(str(reason)) from None
    if not isinstance(found, dict):
        raise Malformed("a message is an object")
    return found


def send(stream: IO[bytes], message: Message) -> None:
    """Write a message."""
    body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode("utf-8", "replace")
    stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    stream.flush()
