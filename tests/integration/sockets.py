"""The results' WebSocket as the page uses it, and the worker port as a stranger uses it."""
import json
import socket
import struct
import time

import websocket

PATIENCE_S = 120


class ResultSocket:
    """Collects events; `seen` lists every image event in the order it came. `sockopt`: of the TCP
    socket, set before it connects."""

    def __init__(self, address, session, after=None, origin=None, sockopt=()):
        query = "" if after is None else f"?after={after}"
        self.socket = websocket.create_connection(
            f"ws://{address}/ws{query}", header=[f"X-Session: {session}"], origin=origin,
            suppress_origin=origin is None, timeout=PATIENCE_S, sockopt=sockopt)
        self.seen = []
        self.hello = self.next()
        assert self.hello["type"] == "hello", self.hello

    def next(self, timeout_s=PATIENCE_S):
        """The next event, or None when there is none within timeout_s. The manager's pings are
        answered, and are no event."""
        deadline = time.monotonic() + timeout_s
        kind = None
        while kind != websocket.ABNF.OPCODE_TEXT:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                kind, text = self.socket.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                return None
            if kind == websocket.ABNF.OPCODE_CLOSE:
                raise ConnectionError("the manager closed the WebSocket")
        event = json.loads(text)
        if event["type"] == "image":
            self.seen.append(event)
        return event

    def read_images(self, count, timeout_s=PATIENCE_S):
        """Reads until `count` image events are there in all; returns them."""
        deadline = time.monotonic() + timeout_s
        while len(self.seen) < count:
            left = deadline - time.monotonic()
            assert left > 0, f"{len(self.seen)} of {count} results came within {timeout_s} s"
            self.next(left)
        return self.seen

    def drain(self, quiet_s=0.5):
        """Reads what comes until it is quiet for that long."""
        while self.next(quiet_s) is not None:
            pass

    def last_seq(self):
        return self.seen[-1]["seq"] if self.seen else 0

    def close(self):
        self.socket.close()


def check_exactly_once(events, ids):
    """Each image settled, and shown settled exactly once, under growing numbers."""
    shown = [event["image"]["id"] for event in events]
    assert sorted(shown) == sorted(ids)
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(set(numbers))


def crc32c(data):
    """Castagnoli, reflected, as in proto/PROTOCOL.md."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


HELLO, ASSIGN, PING = 1, 4, 8


def frame(kind=PING, payload=b"", magic=0x494D4752, version=1, flags=0, length=None, job=1,
          payload_crc=None, header_crc=None):
    """One frame of the worker protocol, right unless told otherwise."""
    head = struct.pack(">IBBHIIQ", magic, version, kind, flags,
                       len(payload) if length is None else length,
                       crc32c(payload) if payload_crc is None else payload_crc, job)
    return head + struct.pack(">I", crc32c(head) if header_crc is None else header_crc) + payload


def exchange_with_worker_port(host_port, data, timeout_s=PATIENCE_S):
    """Sends `data` and reads until the manager closes; returns what it said."""
    with socket.create_connection(host_port, timeout=timeout_s) as connection:
        connection.sendall(data)
        answer = b""
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                return answer  # closed with bytes of ours unread
            if not piece:
                return answer
            answer += piece
