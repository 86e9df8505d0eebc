#!/usr/bin/python3
"""A manager to look at: speaks the page's contract (docs/architecture.md) with invented answers.

For working on the website without a build. It recognises nothing: a label is made from the file's
name. Python's standard library only.

  mock_server.py [--port P] [--workers N] [--service-ms MS] [--frontend DIR]

Controls, all POST: /mock/workers?n=0 · /mock/cut?seconds=5 (drop and refuse every connection)
                    /mock/speed?ms=400 (time per photo) · /mock/busy?seconds=3 (uploads get 429)
                    /mock/token?value=secret (an access token is asked for; without value: no more)
"""
import argparse
import asyncio
import base64
import contextlib
import datetime
import email.parser
import email.policy
import hashlib
import json
import mimetypes
import pathlib
import random
import re
import secrets
import struct
import time
import urllib.parse

CSP = "default-src 'self'; img-src 'self' blob: data:"
CHART_JS = pathlib.Path("/usr/share/javascript/chart.js/chart.min.js")
MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp",
         b"BM": "image/bmp", b"II*\0": "image/tiff", b"MM\0*": "image/tiff"}
OTHERS = ["n02110185 Siberian husky", "n03642806 laptop, laptop computer", "n02391049 zebra",
          "n04258138 solar dish, solar collector, solar furnace", "n07747607 orange",
          "n02948072 candle, taper, wax light"]


def now():
    stamp = datetime.datetime.now(datetime.timezone.utc)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Mock:
    def __init__(self, options):
        self.options = options
        self.images = {}      # id -> image, oldest first
        self.content = {}     # id -> (type, bytes)
        self.owner = {}       # id -> session
        self.by_key = {}      # (session, idempotency key) -> id
        self.sockets = []     # [session, writer, wants cluster]
        self.connections = set()
        self.seq = 0
        self.queue = asyncio.Queue()
        self.workers = []
        self.cut_until = 0
        self.busy_until = 0
        self.settled_at = []
        self.started = time.monotonic()
        self.samples = []     # one a second, ten minutes of them
        self.token = None
        self.trusted = set()  # sessions that gave the token

    # ---- recognition ----
    def set_workers(self, count):
        while len(self.workers) > count:
            self.workers.pop().cancel()
        while len(self.workers) < count:
            name = f"worker-{len(self.workers) + 1}"
            self.workers.append(asyncio.create_task(self.work(name)))

    async def work(self, name):
        while True:
            image_id = await self.queue.get()
            image = self.images.get(image_id)
            if not image:
                continue
            try:
                await self.recognise(image, name)
            except asyncio.CancelledError:  # the worker has left; another one does it
                image["state"] = "queued"
                self.queue.put_nowait(image_id)
                self.tell_state(image)
                raise

    async def recognise(self, image, worker):
        image.update(state="assigned", attempts=image["attempts"] + 1, worker=worker)
        self.tell_state(image)
        seconds = self.options.service_ms / 1000 * random.uniform(0.7, 1.4)
        await asyncio.sleep(seconds)
        if image["id"] not in self.images:
            return
        self.seq += 1
        image.update(settled=now(), seq=self.seq, model="bvlc_googlenet")
        ms = round(seconds * 1000, 3)
        image["timing_ms"] = {"upload": 3.1, "queue": 12.0, "wire": 1.2, "decode": 4.4,
                              "inference": ms, "push": 0.3, "total": round(ms + 21, 3)}
        if "fail" in image["name"]:
            image.update(state="failed", error={
                "code": "quarantined",
                "detail": "three workers gave up on this photo; nothing else is affected"})
        else:
            image.update(state="done", **self.answer(image["name"]))
        self.settled_at.append(time.monotonic())
        self.send(self.owner[image["id"]], {"type": "image", "seq": self.seq, "image": image})

    @staticmethod
    def answer(name):
        match = re.match(r"(n\d{8})_(.+)\.\w+$", name)
        first = f"{match[1]} {match[2].replace('_', ' ')}, {name}" if match else OTHERS[0]
        best = random.uniform(0.2, 0.4) if "unsure" in name else random.uniform(0.55, 0.998)
        scores, rest = [best], 1 - best
        for _ in range(4):
            scores.append(rest * random.uniform(0.4, 0.8))
            rest -= scores[-1]
        labels = [first] + random.sample([o for o in OTHERS if o != first], 4)
        scores = [best] + sorted((min(s, best) for s in scores[1:]), reverse=True)
        top = [{"index": i, "label": label, "score": round(score, 5)}
               for i, (label, score) in enumerate(zip(labels, scores))]
        return {"top": top, "unsure": best < 0.5}

    # ---- sockets ----
    def send(self, session, message):
        for owner, writer, _ in self.sockets:
            if owner == session:
                write_text(writer, json.dumps(message))

    def tell_state(self, image):
        self.send(self.owner[image["id"]], {"type": "state", "id": image["id"],
                                            "state": image["state"],
                                            "attempts": image["attempts"],
                                            "worker": image["worker"]})

    def model(self):
        return {"name": "bvlc_googlenet", "digest": "0" * 64, "classes": 1000} \
            if self.workers else None

    def cluster(self):
        states = [image["state"] for image in self.images.values()]
        recent = [t for t in self.settled_at if t > time.monotonic() - 10]
        bits = len(recent) * 8e4
        rate = {"images_per_s": len(recent) / 10, "bits_per_s": bits, "wire_out_bits_per_s": bits * 1.04,
                "wire_in_bits_per_s": bits * 0.02}
        workers = [{"id": i, "name": f"worker-{i + 1}", "state": "ready", "address": "10.0.0.7:5012",
                    "model": "bvlc_googlenet", "credit": 8, "window": 2, "in_flight": 1, "done": 40,
                    "failed": 0, "images_per_s": rate["images_per_s"] / len(self.workers),
                    "service_ms": self.options.service_ms, "rtt_ms": 0.6, "tcp_rtt_ms": 12.0,
                    "tcp_least_rtt_ms": 0.2, "retransmissions": i, "retransmitted_share": i / 1000,
                    "delivery_bits_per_s": 9.4e8, "unacknowledged_bytes": 0, "connected_s": 75,
                    "connections": 1, "congestion_control": "bbr", "congestion_window_bytes": 144_800,
                    "wire_out_bytes": 4_400_000, "wire_in_bytes": 90_000,
                    "wire_out_bits_per_s": rate["wire_out_bits_per_s"] / len(self.workers),
                    "wire_in_bits_per_s": rate["wire_in_bits_per_s"] / len(self.workers)}
                   for i in range(len(self.workers))]
        percentiles = {"p50_ms": self.options.service_ms, "p90_ms": self.options.service_ms * 1.5,
                       "p99_ms": self.options.service_ms * 2} if recent else None
        done, failed = states.count("done"), states.count("failed")
        return {"workers": workers, "queue_depth": states.count("queued"),
                "in_flight": states.count("assigned"), "model": self.model(),
                "totals": {"accepted": len(states), "done": done, "failed": failed,
                           "open": len(states) - done - failed},
                "throughput": {"10s": rate, "1m": rate, "all": rate},
                "wire": {"out_bytes": 4_400_000 * len(workers), "in_bytes": 90_000 * len(workers),
                         "data_segments": 3000 * len(workers), "retransmissions": len(workers),
                         "retransmitted_bytes": 1448 * len(workers), "retransmitted_share": 0.001},
                "latency": {"1m": {"images": len(recent), "total": percentiles}},
                "sockets": len(self.sockets), "uptime_s": int(time.monotonic() - self.started),
                "join": {"port": 2888, "tls": False, "token": False},
                "sample": self.samples[-1] if self.samples else None}

    def take_sample(self):
        now_is = self.cluster()
        settled = sum(t > time.monotonic() - 1 for t in self.settled_at)
        total = now_is["latency"]["1m"]["total"] or dict.fromkeys(("p50_ms", "p90_ms", "p99_ms"))
        self.samples = self.samples[-599:] + [{
            "second": now_is["uptime_s"], "images_per_s": settled, "bits_per_s": settled * 8e5,
            "wire_out_bits_per_s": settled * 8.3e5, "wire_in_bits_per_s": settled * 1.6e4,
            "queue_depth": now_is["queue_depth"], "in_flight": now_is["in_flight"],
            "workers": len(self.workers), **total}]

    def history(self):
        return {name: [sample[name] for sample in self.samples]
                for name in (self.samples[0] if self.samples else {"second": 0})}

    async def tick(self):
        while True:
            await asyncio.sleep(1)
            self.take_sample()
            text = json.dumps({"type": "cluster", "cluster": self.cluster()})
            for _, writer, wants in self.sockets:
                if wants:
                    write_text(writer, text)

    async def websocket(self, reader, writer, headers, query, session):
        key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        write_text(writer, json.dumps({"type": "hello", "seq": self.seq, "model": self.model()}))
        after = int(query.get("after", self.seq))
        replay = [i for i in self.images.values()
                  if self.owner[i["id"]] == session and (i["seq"] or 0) > after]
        for image in sorted(replay, key=lambda i: i["seq"]):
            write_text(writer, json.dumps({"type": "image", "seq": image["seq"], "image": image}))
        entry = [session, writer, False]
        self.sockets.append(entry)
        try:
            while True:
                opcode, payload = await read_frame(reader)
                if opcode == 8:
                    return
                if opcode == 1:
                    command = json.loads(payload)
                    if command.get("type") == "cluster":
                        entry[2] = command.get("on") is True
                        write_text(writer, json.dumps({"type": "cluster",
                                                       "cluster": self.cluster()}))
        finally:
            self.sockets.remove(entry)

    # ---- HTTP ----
    async def serve(self, reader, writer):
        self.connections.add(writer)
        try:
            while time.monotonic() > self.cut_until:
                if not await self.one_request(reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            self.connections.discard(writer)
            with contextlib.suppress(Exception):
                writer.close()

    async def one_request(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.rstrip().split("\r\n")
        method, target, _ = line.split(" ", 2)
        headers = {k.strip().lower(): v.strip() for k, v in (r.split(":", 1) for r in rest)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query))
        match = re.search(r"imgrec_session=(\w+)", headers.get("cookie", ""))
        session = match[1] if match else secrets.token_hex(16)
        if url.path == "/ws" and self.may_enter(session):
            await self.websocket(reader, writer, headers, query, session)
            return False
        status, extra, payload = self.route(method, url.path, query, headers, body, session)
        if isinstance(payload, (dict, list)):
            kind = "application/json" if status < 400 else "application/problem+json"
            extra = {"Content-Type": kind, **extra}
            payload = json.dumps(payload).encode()
        if not match and url.path in ("/api/v1/images", "/api/v1/session"):
            extra["Set-Cookie"] = f"imgrec_session={session}; HttpOnly; SameSite=Strict; Path=/"
        extra["Content-Length"] = str(len(payload))
        lines = [f"HTTP/1.1 {status} x"] + [f"{k}: {v}" for k, v in extra.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)
        await writer.drain()
        return True

    def may_enter(self, session):
        return self.token is None or session in self.trusted

    def enter(self, body, session):
        if json.loads(body).get("token") != self.token:
            return problem(401, "bad_token", "this is not the access token of this server")
        self.trusted.add(session)
        return 204, {}, b""

    def route(self, method, path, query, headers, body, session):
        if path.startswith("/mock/"):
            return self.control(path[6:], query)
        if path == "/api/v1/session":
            return self.enter(body, session)
        if path.startswith("/api/") and not self.may_enter(session):
            return problem(401, "token_required", "this server asks for an access token")
        if path == "/api/v1/cluster":
            return 200, {}, {**self.cluster(), **({"history": self.history()} if query else {})}
        if path == "/api/v1/images":
            if method == "POST":
                return self.upload(headers, body, session)
            return self.listing(query, session)
        if path.startswith("/api/v1/images/"):
            return self.one_image(method, path[len("/api/v1/images/"):], session)
        return self.static(path)

    def control(self, name, query):
        if name == "workers":
            self.set_workers(int(query["n"]))
        elif name == "cut":
            self.cut_until = time.monotonic() + float(query["seconds"])
            asyncio.get_running_loop().call_later(0.05, self.drop_all)
        elif name == "speed":
            self.options.service_ms = float(query["ms"])
        elif name == "token":
            self.token = query.get("value")
            self.trusted.clear()
            asyncio.get_running_loop().call_later(0.05, self.drop_all)
        elif name == "busy":
            self.busy_until = time.monotonic() + float(query["seconds"])
        return 200, {}, {"ok": True}

    def drop_all(self):
        for writer in list(self.connections):
            writer.transport.abort()

    def static(self, path):
        root = pathlib.Path(self.options.frontend).resolve()
        file = (root / (path.lstrip("/") or "index.html")).resolve()
        if path == "/vendor/chart.js":
            root, file = CHART_JS.parent, CHART_JS
        elif not file.is_file():  # "/cluster"
            file = file.with_suffix(".html")
        if root not in file.parents or not file.is_file():
            return problem(404, "not_found", "there is nothing at this address")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return 200, {"Content-Type": kind, "Content-Security-Policy": CSP,
                     "Cache-Control": "no-cache"}, file.read_bytes()

    def upload(self, headers, body, session):
        if time.monotonic() < self.busy_until:
            status, _, payload = problem(429, "too_many_open_images",
                                         "so many images wait already: try again later")
            return status, {"Retry-After": "1"}, payload
        key = (session, headers.get("idempotency-key"))
        if key[1] and key in self.by_key:
            return 202, {}, {"images": [self.images[self.by_key[key]]], "rejected": []}
        accepted, rejected = [], []
        for name, data in multipart_files(headers["content-type"], body):
            kind = next((k for magic, k in MAGIC.items() if data.startswith(magic)), None)
            if kind:
                accepted.append(self.accept(name, kind, data, session))
                self.by_key[key] = accepted[-1]["id"]
            else:
                rejected.append({"name": name, "error": {
                    "code": "not_an_image",
                    "detail": "the file is no picture of a kind we take: send JPEG, PNG, WebP, "
                              "BMP or TIFF"}})
        if accepted:
            return 202, {}, {"images": accepted, "rejected": rejected}
        status, extra, payload = problem(415, **rejected[0]["error"])
        return status, extra, {**payload, "rejected": rejected}

    def accept(self, name, kind, data, session):
        image_id = secrets.token_hex(16)
        url = f"/api/v1/images/{image_id}"
        image = {"id": image_id, "name": name, "state": "queued", "created": now(),
                 "settled": None, "url": url, "content_url": url + "/content", "model": None,
                 "top": [], "unsure": False, "attempts": 0, "worker": None, "width": 500,
                 "height": 375, "bytes": len(data), "seq": None, "timing_ms": None, "error": None}
        self.images[image_id] = image
        self.content[image_id] = (kind, data)
        self.owner[image_id] = session
        self.queue.put_nowait(image_id)
        return dict(image)

    def listing(self, query, session):
        limit, start = int(query.get("limit", 50)), int(query.get("cursor", 0))
        mine = [i for i in reversed(self.images.values()) if self.owner[i["id"]] == session]
        more = str(start + limit) if len(mine) > start + limit else None
        return 200, {}, {"images": mine[start:start + limit], "next_cursor": more}

    def one_image(self, method, rest, session):
        image_id, _, tail = rest.partition("/")
        if self.owner.get(image_id) != session:
            return problem(404, "no_such_image", "there is no such image")
        if tail == "content":
            kind, data = self.content[image_id]
            return 200, {"Content-Type": kind}, data
        if method == "DELETE":
            del self.images[image_id], self.owner[image_id]
            self.send(session, {"type": "deleted", "id": image_id})
            return 204, {}, b""
        return 200, {}, self.images[image_id]


def problem(status, code, detail):
    return status, {}, {"type": "about:blank", "title": "Problem", "status": status,
                        "detail": detail, "code": code}


def multipart_files(content_type, body):
    text = b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(text)
    for part in form.iter_parts():
        if part.get_param("name", header="content-disposition") == "file":
            yield part.get_filename() or "photo", part.get_payload(decode=True)


def write_text(writer, text):
    data = text.encode()
    size = bytes([len(data)]) if len(data) < 126 else \
        b"\x7e" + struct.pack("!H", len(data)) if len(data) < 65536 else \
        b"\x7f" + struct.pack("!Q", len(data))
    if not writer.is_closing():
        writer.write(b"\x81" + size + data)


async def read_frame(reader):
    first, second = await reader.readexactly(2)
    size = second & 127
    if size > 125:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    mask = await reader.readexactly(4)
    data = await reader.readexactly(size)
    return first & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(data))


async def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--service-ms", type=float, default=400)
    parser.add_argument("--frontend",
                        default=pathlib.Path(__file__).resolve().parents[2] / "frontend")
    mock = Mock(parser.parse_args())
    mock.set_workers(mock.options.workers)
    server = await asyncio.start_server(mock.serve, "127.0.0.1", mock.options.port, limit=1 << 16)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    ticker = asyncio.create_task(mock.tick())
    async with server:
        await server.serve_forever()
    ticker.cancel()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
