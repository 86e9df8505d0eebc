"""An HTTP server for files in memory, which can be as unkind as real ones are.

    with FileServer({"a.bin": b"…"}) as server:
        server.cut = lambda name, number: 1000       # this many bytes, then the line is cut
        … server.url …
        assert server.requests == [("a.bin", "bytes=1000-")]
"""
import http.server
import re
import threading


class FileServer:
    def __init__(self, files):
        self.files = dict(files)
        self.ranges = True                        # False: whole files only, as simple servers do
        self.cut = lambda name, number: None      # bytes after which the answer to the number-th
        self.requests = []                        # request for `name` is cut off; (name, Range)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/some/where"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Nobody answers at its address any more."""
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()

    def answer(self, request):
        name = request.path.removeprefix("/some/where/")
        asked = request.headers.get("Range")
        number = sum(1 for other, _ in self.requests if other == name)
        self.requests.append((name, asked))
        if name not in self.files:
            return request.send_error(404)
        data, status = self.files[name], 200
        begin = re.fullmatch(r"bytes=(\d+)-", asked or "") if self.ranges else None
        if begin:
            first = int(begin.group(1))
            if first >= len(data):
                return request.send_error(416)
            status, whole, data = 206, len(data), data[first:]
        request.send_response(status)
        if begin:
            request.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        most = self.cut(name, number)
        request.wfile.write(data[:most])
        request.close_connection = True
        return None
