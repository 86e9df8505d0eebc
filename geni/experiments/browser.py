"""One person with a browser, as far as the server can tell: photos go up by HTTP, one a request and a
few requests at a time, and results are seen on a WebSocket. Python's own library only.

    outcome = recognise(("127.0.0.1", 8080), [("a.jpg", data), ...], timeout_s=60, linger_s=1)

The time is taken from before the first byte of the first upload until the last result was read.
Sockets are opened before, as a page has them when somebody drops photos on it.
"""
import base64
import dataclasses
import hashlib
import http.client
import json
import os
import secrets
import socket
import struct
import threading
import time

PATIENCE_S = 30  # for a photo to be deleted
PARALLEL = 3  # requests at a time, as frontend/js/uploader.js has them
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MAX_MESSAGE = 16 << 20


class RunFailed(RuntimeError):
    """Why a run came to nothing, for people."""


@dataclasses.dataclass
class Outcome:
    started: float  # time.time()
    first_s: float  # until the first result
    total_s: float  # until the last one; both None where there is a fault
    photos: dict  # id: index into what was sent
    shown: dict  # id: image, as it was shown first
    doubled: int  # results shown again
    fault: str = ""  # a promise that was broken, for people: results that never came, or are of no photo

    def whole(self):
        """This outcome, for who needs all results. Raises RunFailed where there is a fault."""
        if self.fault:
            raise RunFailed(self.fault)
        return self


def recognise(address, photos, timeout_s, linger_s, headers=()):
    """Sends all, and waits for as many results; goes on listening for `linger_s`, in which whatever
    would be shown twice is. Results that did not come within timeout_s are a fault of the outcome: what
    was lost is to be counted, not measured again. Raises RunFailed where it could not be found out. At the
    end the photos are deleted, so that many runs do not fill the server's disk; but with a fault."""
    session = {"X-Session": secrets.token_hex(16), **dict(headers)}
    deadline = time.monotonic() + timeout_s
    results = ResultSocket(address, session, deadline)
    try:
        upload = Upload(address, session, photos, deadline)
        shown, doubled, first, end = _listen(results, upload, len(photos), deadline)
        missing = len(shown) < len(photos)
        ids = upload.answered() if missing else upload.finish()
        doubled += _linger(results, shown, time.monotonic() + linger_s)
    finally:
        results.close()
    fault = f"{len(shown)} of {len(photos)} results came within {timeout_s:g} s" if missing else ""
    if not fault and set(ids) != set(shown):
        fault = f"{len(set(shown) - set(ids))} results are of no photo that was sent"
    if fault:
        return Outcome(upload.started_at, None, None, ids, shown, doubled, fault)
    _delete(address, session, ids)
    return Outcome(upload.started_at, first - upload.started, end - upload.started, ids, shown, doubled)


def _listen(results, upload, count, deadline):
    """Fewer than `count` are shown where the deadline came first."""
    shown, doubled, first, end = {}, 0, None, None
    while len(shown) < count:
        upload.check()
        event = results.next(min(deadline, time.monotonic() + 1))
        if event is None:
            if time.monotonic() >= deadline:
                break
            continue
        if event["type"] == "image":
            end = results.read_at
            first = first or end
            doubled += event["image"]["id"] in shown
            shown.setdefault(event["image"]["id"], event["image"])
    return shown, doubled, first, end


def _delete(address, headers, ids):
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
    try:
        for image in ids:
            connection.request("DELETE", f"/api/v1/images/{image}", headers=headers)
            response = connection.getresponse()
            text = response.read()
            if response.status not in (200, 204, 404):
                raise RunFailed(f"a photo could not be deleted: {response.status}: {text[:300]!r}")
    finally:
        connection.close()


def _linger(results, shown, until):
    doubled = 0
    while True:
        event = results.next(until)
        if event is None:
            return doubled
        doubled += event["type"] == "image" and event["image"]["id"] in shown


class Upload:
    """Sends photos from threads of its own, which are running when it is made."""

    def __init__(self, address, headers, photos, deadline):
        self._photos, self._deadline = photos, deadline
        self._headers = headers
        self._lock = threading.Lock()
        self._next = 0
        self._ids = {}
        self._error = None
        self.started = self.started_at = None
        count = min(PARALLEL, len(photos))
        connections = [http.client.HTTPConnection(*address, timeout=deadline - time.monotonic())
                       for _ in range(count)]
        for connection in connections:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.started_at, self.started = time.time(), time.monotonic()
        self._threads = [threading.Thread(target=self._work, args=(c,), daemon=True) for c in connections]
        for thread in self._threads:
            thread.start()

    def check(self):
        if self._error:
            raise RunFailed(f"an upload failed: {self._error}")

    def finish(self):
        """{id: index of the photo}."""
        for thread in self._threads:
            thread.join(max(0.0, self._deadline - time.monotonic()))
        self.check()
        if len(self._ids) != len(self._photos):
            raise RunFailed(f"{len(self._ids)} of {len(self._photos)} uploads were answered")
        return self._ids

    def answered(self):
        """As finish() has it, of the uploads that were answered until now."""
        with self._lock:
            return dict(self._ids)

    def _work(self, connection):
        try:
            while (index := self._take()) is not None:
                image = self._send(connection, *self._photos[index])
                with self._lock:
                    self._ids[image] = index
        except Exception as error:  # it must reach the thread that waits
            self._error = f"{type(error).__name__}: {error}"
        finally:
            connection.close()

    def _take(self):
        with self._lock:
            if self._next == len(self._photos) or self._error:
                return None
            self._next += 1
            return self._next - 1

    def _send(self, connection, name, data):
        boundary = secrets.token_hex(16)
        head = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n").encode()
        body = head + data + f"\r\n--{boundary}--\r\n".encode()
        connection.request("POST", "/api/v1/images", body, {
            **self._headers, "Content-Type": f"multipart/form-data; boundary={boundary}"})
        response = connection.getresponse()
        text = response.read()
        if response.status != 202:
            raise RunFailed(f"{name} was answered with {response.status}: {text[:300]!r}")
        answer = json.loads(text)
        if len(answer["images"]) != 1:
            raise RunFailed(f"{name} was refused: {text[:300]!r}")
        return answer["images"][0]["id"]


class ResultSocket:
    """A WebSocket (RFC 6455) that reads JSON texts. Greeted when it is made. One thread."""

    def __init__(self, address, headers, deadline):
        self._socket = socket.create_connection(address, timeout=max(0.1, deadline - time.monotonic()))
        self._buffer = bytearray()
        self.read_at = 0.0  # time.monotonic() when the last message was there
        try:
            self._shake_hands(address, headers)
            hello = self.next(deadline)
            if hello is None or hello["type"] != "hello":
                raise RunFailed(f"the server did not greet on the WebSocket: {hello}")
        except BaseException:
            self.close()
            raise

    def close(self):
        self._socket.close()

    def next(self, deadline):
        """The next event, or None where there is none before `deadline` (time.monotonic())."""
        while True:
            frame = self._frame()
            if frame is None:
                if not self._fill(deadline):
                    return None
                continue
            kind, payload = frame
            if kind == TEXT:
                self.read_at = time.monotonic()
                return json.loads(payload)
            if kind == PING:
                self._send(PONG, payload)
            if kind == CLOSE:
                raise RunFailed("the server closed the WebSocket")

    def _shake_hands(self, address, headers):
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", "Host: {}:{}".format(*address), "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
                 *(f"{name}: {value}" for name, value in headers.items())]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > 65536 or not self._fill(time.monotonic() + 30):
                raise RunFailed("the server did not answer to the WebSocket's request")
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer = bytearray(rest)
        wanted = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        if not head.startswith(b"HTTP/1.1 101") or wanted.encode() not in head:
            raise RunFailed(f"no WebSocket was to be had: {head[:200]!r}")

    def _fill(self, deadline):
        """Reads what there is; False where nothing came before the deadline."""
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return False
        if not data:
            raise RunFailed("the server ended the WebSocket's connection")
        self._buffer += data
        return True

    def _frame(self):
        """(kind, payload) of a whole frame, taken out of the buffer, or None. Servers do not mask, and
        ours does not split messages."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1] & 127, 2
        for code, size, form in ((126, 2, ">H"), (127, 8, ">Q")):
            if length == code:
                if len(buffer) < 2 + size:
                    return None
                length, at = struct.unpack_from(form, buffer, 2)[0], 2 + size
                break
        if length > MAX_MESSAGE or not buffer[0] & 0x80 or buffer[1] & 0x80:
            raise RunFailed("the server sent a frame that this client does not take")
        if len(buffer) < at + length:
            return None
        frame = buffer[0] & 15, bytes(buffer[at:at + length])
        del buffer[:at + length]
        return frame

    def _send(self, kind, payload):
        mask = os.urandom(4)
        self._socket.settimeout(30)
        self._socket.sendall(bytes([0x80 | kind, 0x80 | len(payload)]) + mask +
                             bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))
