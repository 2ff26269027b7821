"""Messages between two processes over a socket: JSON after its length, and arrays."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_MESSAGE_BYTES = 65_536  # of JSON


def send(to: socket.socket, document: dict[str, Any]) -> None:
    """Sends four bytes of length, then JSON."""
    text = json.dumps(document).encode()
    to.sendall(struct.pack(">I", len(text)) + text)


def receive(origin: socket.socket) -> dict[str, Any]:
    """What ``send`` sent. Raises ConnectionAbortedError for anything else."""
    (length,) = struct.unpack(">I", receive_array(origin, (4,)).tobytes())
    if length > MAX_MESSAGE_BYTES:
        raise ConnectionAbortedError(f"a message of {length} bytes")
    try:
        document = json.loads(receive_array(origin, (length,)).tobytes())
    except (ValueError, RecursionError) as error:
        raise ConnectionAbortedError("a message that is no JSON") from error
    if not isinstance(document, dict):
        raise ConnectionAbortedError("a message that is no object")
    return document


def receive_array(origin: socket.socket, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Bytes straight into an array. Raises ConnectionResetError when they end early."""
    array = np.empty(shape, np.uint8)
    view = array.data.cast("B") if array.size else memoryview(b"")
    while view.nbytes:
        count = origin.recv_into(view)
        if not count:
            raise ConnectionResetError("the other end is closed")
        view = view[count:]
    return array
