"""Clients that go on under every fault, and keep account of what they were promised and shown."""
import collections
import dataclasses
import json
import random
import secrets
import threading
import time

import requests
import websocket

from pictures import png

PATIENCE_S = 120


@dataclasses.dataclass
class Sent:
    """One file as it was sent once; a file that is sent again has another name."""
    name: str
    data: bytes
    meant_to_fail: bool
    started: float
    request: int  # which one; several files travel together


def cut_short(data):
    """A picture whose header is good and whose end is missing: accepted, and failed by any
    worker."""
    return data[:-6]


class LoadClient:
    """One session: uploads, tries again where it must, and listens on a WebSocket that it opens
    again with after=N. Nothing it does asserts; `problems` lists what it found wrong."""

    def __init__(self, address, name, seed, most_open=40, meant_to_fail=0.05):
        self.address = address
        self.name = name
        self.session = secrets.token_hex(16)
        self.random = random.Random(f"{seed}-{name}")
        self.most_open = most_open
        self.meant_to_fail = meant_to_fail
        self.sent = {}       # name: Sent
        self.promised = {}   # id: name; answered with 202
        self.unsure = set()  # names whose answer never came
        self.refused = set()  # names that were answered, and not taken
        self.shown = collections.OrderedDict()  # id: (seq, image, when)
        self.problems = []
        self.counts = collections.Counter()
        self.last_seq = 0
        self.stopping = threading.Event()
        self.finished = threading.Event()
        self._requests = 0
        self._threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True)
                         for work in (self._upload, self._listen)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop_uploading(self):
        self.stopping.set()
        self._threads[0].join(PATIENCE_S)

    def stop_listening(self):
        self.finished.set()
        self._threads[1].join(PATIENCE_S)

    def _guarded(self, work):
        try:
            work()
        except Exception as error:  # a fault of this program must fail the test too
            self.problems.append(f"{self.name}: {type(error).__name__}: {error}")

    # ---- uploading ----
    def _upload(self):
        http = requests.Session()
        number = 0
        while not self.stopping.is_set():
            if len(self.promised) - len(self.shown) >= self.most_open:
                self.stopping.wait(0.05)
                continue
            pictures = []
            for _ in range(self.random.randint(1, 6)):
                number += 1
                pictures.append((number, self.random.random() < self.meant_to_fail))
            attempt = 0
            while not self._send(http, pictures, attempt) and not self.stopping.is_set():
                attempt += 1
                self.stopping.wait(self.random.uniform(0.05, 0.4))

    def _send(self, http, pictures, attempt):
        """True: answered for good, or not to be sent again."""
        self._requests += 1
        batch = []
        for number, bad in pictures:
            data = png(number)
            batch.append(Sent(f"{self.name}-{number}.{attempt}.png", cut_short(data) if bad else data,
                              bad, time.monotonic(), self._requests))
        self.sent.update((sent.name, sent) for sent in batch)
        names = [sent.name for sent in batch]
        try:
            response = http.post(f"http://{self.address}/api/v1/images", timeout=20,
                                 headers={"X-Session": self.session},
                                 files=[("file", (sent.name, sent.data)) for sent in batch])
            answer = response.json() if response.status_code == 202 else None
        except (OSError, ValueError):  # requests' errors are OSErrors
            self.counts["uploads without an answer"] += 1
            self.unsure.update(names)
            return False
        if response.status_code in (429, 503):
            self.counts[f"uploads answered {response.status_code}"] += 1
            self.refused.update(names)
            self.stopping.wait(min(1.0, float(response.headers.get("Retry-After", "0.2"))))
            return False
        if answer is None or answer["rejected"] or [i["name"] for i in answer["images"]] != names:
            self.problems.append(f"{self.name}: upload answered {response.status_code}: "
                                 f"{response.text[:300]}")
            return True
        self.counts["uploads answered 202"] += 1
        self.promised.update((i["id"], i["name"]) for i in answer["images"])
        return True

    # ---- listening ----
    def _listen(self):
        while not self.finished.is_set():
            try:
                connection = websocket.create_connection(
                    f"ws://{self.address}/ws?after={self.last_seq}", timeout=10,
                    header=[f"X-Session: {self.session}"], suppress_origin=True)
            except (OSError, websocket.WebSocketException):
                self.counts["sockets refused"] += 1
                self.finished.wait(self.random.uniform(0.1, 0.5))
                continue
            try:
                self._read(connection)
            except (OSError, websocket.WebSocketException):
                self.counts["sockets lost"] += 1
            finally:
                connection.close(timeout=1)

    def _read(self, connection):
        connection.settimeout(0.5)
        greeted = False
        while not self.finished.is_set():
            try:
                text = connection.recv()
            except websocket.WebSocketTimeoutException:
                continue
            if not text:
                return
            event = json.loads(text)
            if not greeted and event["type"] != "hello":
                self.problems.append(f"{self.name}: the first event was {event['type']}")
            greeted = True
            if event["type"] == "image":
                self._show(event)

    def _show(self, event):
        image = event["image"]
        if image["id"] in self.shown:
            self.problems.append(f"{self.name}: {image['name']} was shown twice, as "
                                 f"{self.shown[image['id']][0]} and {event['seq']}")
        if event["seq"] <= self.last_seq:
            self.problems.append(f"{self.name}: number {event['seq']} came after {self.last_seq}")
        self.last_seq = max(self.last_seq, event["seq"])
        self.shown[image["id"]] = (event["seq"], image, time.monotonic())

    # ---- afterwards ----
    def listed(self, address):
        """Every image that the manager has of this session."""
        images, cursor = [], None
        while True:
            page = requests.get(f"http://{address}/api/v1/images", timeout=PATIENCE_S,
                                headers={"X-Session": self.session},
                                params={"limit": 100, **({"cursor": cursor} if cursor else {})})
            page = page.json()
            images += page["images"]
            cursor = page["next_cursor"]
            if not cursor:
                return images

    def seconds(self):
        """From the first byte of each upload to its result on the socket."""
        return [when - self.sent[image["name"]].started for _, image, when in self.shown.values()]
