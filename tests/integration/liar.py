"""A worker that breaks its word: wrong jobs, wrong attempts, results twice, results for work that
was called off, late ones, none at all. It keeps the protocol's form, so nobody can tell by that,
and where it does give an answer, it is the right one."""
import collections
import random
import socket
import struct
import threading
import time

from pictures import LABELS, fake_class
from sockets import HELLO, PING, frame

WELCOME, ASSIGN, RESULT, FAIL, CANCEL, PONG = 2, 4, 5, 6, 7, 9
HEADER = 28


def text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def hello(name, credit=3, labels=LABELS, model="fake", digest="f" * 64):
    payload = struct.pack(">BBHHf", 1, 1, 1, credit, 0.0) + text(name) + text("0" * 32)
    payload += text(model) + text(digest) + struct.pack(">I", labels)
    payload += b"".join(text(f"fake {n}") for n in range(labels))
    return frame(HELLO, payload, job=0)


def result(job, attempt, best):
    payload = struct.pack(">IIIIBH", attempt, 1000, 1000, 1000, 0, 2)
    payload += struct.pack(">IfIf", best, 0.5, (best + 1) % LABELS, 0.25)
    return frame(RESULT, payload, job=job)


class FrameReader:
    """Frames out of a stream. The sums are not checked: a byte that the gate changed may be taken
    for anything, as liars do."""

    def __init__(self):
        self.data = b""

    def feed(self, data):
        self.data += data
        while len(self.data) >= HEADER:
            kind, length = self.data[5], struct.unpack(">I", self.data[8:12])[0]
            if len(self.data) < HEADER + length:
                return
            job = struct.unpack(">Q", self.data[16:24])[0]
            yield kind, job, self.data[HEADER:HEADER + length]
            self.data = self.data[HEADER + length:]


class LyingWorker:
    def __init__(self, address, seed, name="liar", lies=None):
        host, port = address.split(":")
        self.address = (host, int(port))
        self.random = random.Random(f"liar-{seed}")
        self.name = name
        self.counts = collections.Counter()
        self.lies = lies or [self.honest, self.silent, self.wrong_job, self.wrong_attempt,
                             self.twice, self.late, self.after_cancel]
        self.stopping = threading.Event()
        self.cancelled = {}  # job: what to say when it is called off
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self.stopping.set()
        self._thread.join(30)

    def _run(self):
        while not self.stopping.is_set():
            try:
                with socket.create_connection(self.address, timeout=2) as connection:
                    self._work(connection)
            except OSError:
                pass
            self.stopping.wait(0.3)

    def _work(self, connection):
        self.counts["connections"] += 1
        self.cancelled.clear()
        connection.settimeout(0.2)
        connection.sendall(hello(self.name))
        reader, ping, last_ping = FrameReader(), 1, time.monotonic()
        while not self.stopping.is_set():
            if time.monotonic() - last_ping > 0.3:
                last_ping, ping = time.monotonic(), ping + 1
                connection.sendall(frame(PING, struct.pack(">QHH", 1, 0, 0), job=ping))
            try:
                data = connection.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            for kind, job, payload in reader.feed(data):
                if kind == PING:
                    connection.sendall(frame(PONG, payload, job=job))
                elif kind == ASSIGN:
                    self._answer(connection, job, payload)
                elif kind == CANCEL and job in self.cancelled:
                    self.counts["result after cancel"] += 1
                    connection.sendall(self.cancelled.pop(job))

    def _answer(self, connection, job, payload):
        attempt = struct.unpack(">I", payload[:4])[0]
        image = payload[10:]
        if image[-8:-4] != b"IEND":  # cut short on purpose: the honest answer is FAIL 2
            fail = struct.pack(">IHB", attempt, 2, 0) + text("The file is cut short.")
            connection.sendall(frame(FAIL, fail, job=job))
            return
        lie = self.random.choice(self.lies)
        self.counts[lie.__name__.replace("_", " ")] += 1
        for message in lie(job, attempt, fake_class(image)):
            connection.sendall(message)

    # ---- lies ----
    def honest(self, job, attempt, best):
        return [result(job, attempt, best)]

    def silent(self, job, attempt, best):
        return []

    def wrong_job(self, job, attempt, best):
        return [result(job + 1_000_000, attempt, (best + 1) % LABELS)]

    def wrong_attempt(self, job, attempt, best):
        return [result(job, attempt + 7, (best + 1) % LABELS)]

    def twice(self, job, attempt, best):
        return [result(job, attempt, best), result(job, attempt, (best + 1) % LABELS)]

    def late(self, job, attempt, best):
        time.sleep(self.random.uniform(0.2, 1.5))
        return [result(job, attempt, best)]

    def after_cancel(self, job, attempt, best):
        self.cancelled[job] = result(job, attempt, best)
        return []


