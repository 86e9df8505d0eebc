"""Lets the lab's machines, which have no way out, install packages: an HTTP proxy for apt.

It answers for the mirrors that it is told of and for nothing else. Packages and indexes that are named
after their hash are kept in a folder, so that three workers fetch them once, and the next run none;
the others are asked for each time, and served from the folder when the mirror does not answer.

Threads: one for each connection (http.server's). A file is fetched once at a time.
"""
import collections
import http.server
import os
import pathlib
import re
import shutil
import socketserver
import subprocess
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_S = 60
# Never changes under its name.
LASTING = re.compile(r"\.(u?deb)$|/by-hash/")
# What a mirror's path may look like here; also what becomes a file's name below the folder.
PATH = re.compile(r"(/[A-Za-z0-9_+~%=,:-][A-Za-z0-9_.+~%=,:-]*)+/?")


def mirror_of(suite):
    """The address that this machine's apt has for a Debian suite, or None."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"],
                          capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        name, _, address = line.partition(" ")
        if name == suite and address.startswith("http://"):
            return address.rstrip("/")
    return None


def _own_way_out():
    """The proxies that this machine's apt uses itself."""
    done = subprocess.run(["apt-config", "shell", "PROXY", "Acquire::http::Proxy"],
                          capture_output=True, text=True, check=False)
    found = re.search(r"PROXY='(http[^']+)'", done.stdout)
    return {"http": found.group(1)} if found else urllib.request.getproxies()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves on a socket that is already listening, which may be of another network namespace."""

    daemon_threads = True

    def __init__(self, listening, mirrors, folder):
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.hosts = {urllib.parse.urlsplit(mirror).netloc for mirror in mirrors}
        self.folder = pathlib.Path(folder)
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler(_own_way_out()))
        self._locks = collections.defaultdict(threading.Lock)
        self._locks_lock = threading.Lock()

    def lock_of(self, name):
        with self._locks_lock:
            return self._locks[name]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_S

    def do_GET(self):
        self._answer(body=True)

    def do_HEAD(self):
        self._answer(body=False)

    def log_message(self, *_):
        pass

    def _answer(self, body):
        url = urllib.parse.urlsplit(self.path)
        if url.scheme != "http" or url.netloc not in self.server.hosts or not PATH.fullmatch(url.path):
            self.send_error(403, "this proxy is for the lab's Debian and Ubuntu mirrors only")
            return
        kept = self.server.folder / url.netloc / url.path.strip("/")
        try:
            with self.server.lock_of(str(kept)):
                if not (LASTING.search(url.path) and kept.is_file()):
                    self._fetch(url, kept)
            self._send(kept, body)
        except urllib.error.HTTPError as error:
            self.send_error(error.code)
        except OSError as error:
            self.send_error(504, f"the mirror does not answer: {type(error).__name__}")

    def _fetch(self, url, kept):
        try:
            with self.server.opener.open(f"http://{url.netloc}{url.path}", timeout=TIMEOUT_S) as answer:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
                    shutil.copyfileobj(answer, file)
                length = answer.headers.get("Content-Length")
                if length and int(length) != os.path.getsize(file.name):
                    os.unlink(file.name)
                    raise OSError("the answer was cut short")
                os.replace(file.name, kept)
        except urllib.error.HTTPError:
            raise
        except OSError:
            if not kept.is_file():
                raise

    def _send(self, kept, body):
        with open(kept, "rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.end_headers()
            if body:
                shutil.copyfileobj(file, self.wfile)
