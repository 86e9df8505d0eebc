"""A folder of compiled objects over HTTP, as ccache's remote_storage: `docker build` finds in it what
was compiled before, by the build outside or by an earlier one inside. On this machine only.

    with ObjectStore(folder, port) as store:
        store.url  # http://127.0.0.1:PORT
"""
import http.server
import os
import pathlib
import re
import tempfile
import threading

KEY = re.compile(r"/([0-9a-z]{2}/[0-9a-z]{8,80})")
MOST_BYTES = 64 << 20


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def file(self):
        key = KEY.fullmatch(self.path)
        return self.server.folder / key[1] if key else None

    def do_GET(self):
        file = self.file()
        try:
            data = file.read_bytes() if file else None
        except OSError:
            data = None
        if data is None:
            return self.answer(404)
        self.server.hits += self.command == "GET"
        self.answer(200, data)

    do_HEAD = do_GET

    def do_PUT(self):
        file, length = self.file(), self.headers.get("Content-Length", "")
        if not file or not length.isdigit() or int(length) > MOST_BYTES:
            self.close_connection = True
            return self.answer(400)
        data = self.rfile.read(int(length))
        file.parent.mkdir(exist_ok=True)
        # Whole or not at all: others read meanwhile.
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
            part.write(data)
        os.replace(part.name, file)
        self.server.stored += 1
        self.answer(201)


class ObjectStore:
    def __init__(self, folder, port=0):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self.server.daemon_threads = True
        self.server.folder = pathlib.Path(folder)
        self.server.folder.mkdir(parents=True, exist_ok=True)
        self.server.hits = self.server.stored = 0
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def hits(self):
        return self.server.hits

    @property
    def stored(self):
        return self.server.stored

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    import sys
    import time
    with ObjectStore(sys.argv[1], int(sys.argv[2])) as s:
        while True:
            time.sleep(30)
            print(s.hits, s.stored, flush=True)
