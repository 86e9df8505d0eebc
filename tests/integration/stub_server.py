"""A server that speaks the HTTP contract by a script, for what a real one does not do on request:
refuse, be busy, lie. It has no WebSocket unless one is scripted.

    stub = StubServer()
    stub.uploads = [busy(1), Accepted()]     # answers in turn; the last one repeats
    stub.url
    stub.requests                            # what came: Request(method, path, headers, body, when)
    stub.close()
"""
import dataclasses
import http.server
import json
import ssl
import threading
import time

SILENCE = "silence"  # closes without an answer


@dataclasses.dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes
    when: float


@dataclasses.dataclass
class Answer:
    status: int = 200
    body: object = None
    headers: dict = dataclasses.field(default_factory=dict)


def problem(status, code, detail, **headers):
    return Answer(status, {"status": status, "code": code, "detail": detail}, headers)


def busy(seconds, status=429):
    return problem(status, "too_many_open_images", "try again later",
                   **{"Retry-After": str(seconds)})


def image(number, label="n01440764 tench, Tinca tinca", **changes):
    return {"id": f"{number:032x}", "name": "x", "state": "done", "unsure": False,
            "top": [{"index": 0, "label": label, "score": 0.875}], "error": None,
            "timing_ms": {"total": 12.5}, "seq": number, **changes}


class StubServer:
    def __init__(self, tls=None):
        """tls: (certificate file, key file)"""
        self.requests = []
        self.uploads = [None]  # None: accepted, and done at once
        self.label = "n01440764 tench, Tinca tinca"
        self.token = None  # else every request must bring it
        self._lock = threading.Lock()
        self._accepted = {}  # Idempotency-Key: image
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                length = int(self.headers.get("Content-Length", 0))
                request = Request(self.command, self.path, dict(self.headers),
                                  self.rfile.read(length), time.monotonic())
                answer = stub.answer(request)
                if answer == SILENCE:
                    self.close_connection = True
                    return
                data = b"" if answer.body is None else answer.body if isinstance(
                    answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = handle_one

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that go away are what is tested
        scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def answer(self, request):
        with self._lock:
            self.requests.append(request)
            if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
                return problem(401, "token_required", "this server wants a token")
            if request.method == "POST":
                scripted = self.uploads.pop(0) if len(self.uploads) > 1 else self.uploads[0]
                if scripted is not None:
                    return scripted
                key = request.headers["Idempotency-Key"]
                number = len(self._accepted) + 1
                found = self._accepted.setdefault(key, image(number, self.label))
                return Answer(202, {"images": [found], "rejected": []})
            if request.path.startswith("/api/v1/images?"):
                return Answer(200, {"images": list(self._accepted.values()), "next_cursor": None})
            if request.method == "DELETE":
                return Answer(204)
            return problem(404, "not_found", "there is nothing at this address")

    def posts(self):
        return [r for r in self.requests if r.method == "POST"]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
