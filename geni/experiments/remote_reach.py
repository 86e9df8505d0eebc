"""The browser on the manager's host, so that nothing of the way to that host is measured; or, where that
host has no Python, the browser here and the website brought here by ssh.

    reach = There(ssh, "ana@pc1", photos_folder)    # raises HostFailed where there is no python3
    reach = Tunnel(ssh, "ana@pc1", photos)
    reach.close()
"""
import contextlib
import json
import pathlib
import secrets
import select
import socket
import subprocess
import time

from browser import Outcome, RunFailed
from hosts import HostFailed
from photos import paths_in
from reach import Here

HERE = pathlib.Path(__file__).resolve().parent
WEBSITE = "127.0.0.1:8080"
FILES = ("browser.py", "photos.py", "reach.py", "remote_browser.py")
READY_S, ANSWER_S, END_S = 60, 120, 10


class There:
    """Owns a folder and a process on the host, and asks it one question after the other. Where the process or
    the connection to it is lost, or an answer does not come, that question has failed and the connection is
    given up, with whatever would still be said on it; the next question has a new one. One thread."""

    def __init__(self, ssh, host, folder, website=WEBSITE):
        self._ssh, self._host, self._website = ssh, host, website
        self._process = None
        self._place = f"/var/tmp/imgrec-experiments-{secrets.token_hex(8)}"
        ssh.run(host, ["python3", "-c", "import http.client, json"], what="python3")
        try:
            self._send(folder)
            self._connect()
        except BaseException:
            self.close()
            raise

    def close(self):
        """Photos do not stay on the host, as far as it can be reached. Raises HostFailed where they do."""
        self._disconnect()
        self._ssh.run(self._host, ["rm", "-rf", self._place])

    def recognise(self, numbers, timeout_s, linger_s):
        answer = self._ask({"recognise": list(numbers), "timeout_s": timeout_s, "linger_s": linger_s},
                           timeout_s + linger_s + ANSWER_S)
        return Outcome(**answer["outcome"])

    def get(self, path):
        return self._ask({"get": path}, ANSWER_S)["text"]

    def _send(self, folder):
        self._ssh.run(self._host, ["mkdir", "-m", "700", self._place])
        photos = paths_in(folder)
        for there, base, names in ((self._place, HERE, FILES),
                                   (f"{self._place}/photos", photos[0].parent, [p.name for p in photos])):
            packed = subprocess.run(["tar", "-C", base, "-cf", "-", "--dereference", "--", *names],
                                    capture_output=True, check=True)
            self._ssh.run(self._host, ["mkdir", "-p", there])
            self._ssh.run(self._host, ["tar", "-C", there, "--no-same-owner", "-xf", "-"], packed.stdout)

    def _connect(self):
        self._process = subprocess.Popen(
            self._ssh.command(self._host, "python3", "-B", f"{self._place}/remote_browser.py",
                              f"{self._place}/photos", self._website),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._read(READY_S)

    def _disconnect(self):
        if self._process:
            end(self._process)
        self._process = None

    def _ask(self, request, patience_s):
        try:
            if not self._process:
                self._connect()
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._read(patience_s)
        except BaseException:  # a signal, too: an answer that is under way is nobody's
            self._disconnect()
            raise
        if "error" in answer:
            raise RunFailed(f"on {self._host}: {answer['error']}")
        return answer

    def _read(self, patience_s):
        # Nothing is read ahead: each question has one line for an answer.
        if not select.select([self._process.stdout], [], [], patience_s)[0]:
            raise RunFailed(f"the browser on {self._host} does not answer")
        line = self._process.stdout.readline()
        if not line:
            raise RunFailed(f"the browser on {self._host} ended, or the connection did")
        try:
            return json.loads(line)
        except ValueError as error:
            raise RunFailed(f"the browser on {self._host} answered what is none: {line[:100]!r}") from error


def end(process):
    """Whatever is in its pipes."""
    process.terminate()
    with contextlib.suppress(OSError):  # what was still to be written to it
        process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


class Tunnel(Here):
    """Owns an ssh process, and another one where that has ended."""

    def __init__(self, ssh, host, photos):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        super().__init__(("127.0.0.1", self._port), photos)
        self._host = host
        self._command = [*ssh.command(host)[:-3], "-o", "ExitOnForwardFailure=yes", "-N", "-L",
                         f"127.0.0.1:{self._port}:{WEBSITE}", "--", host]
        self._process = None
        self._connect()

    def close(self):
        if self._process:
            self._process.terminate()
            self._process.wait()
        self._process = None

    def recognise(self, numbers, timeout_s, linger_s):
        self._connect()
        return super().recognise(numbers, timeout_s, linger_s)

    def get(self, path):
        self._connect()
        return super().get(path)

    def _connect(self):
        if self._process and self._process.poll() is None:
            return
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)  # it complains while the manager restarts
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise HostFailed(f"{self._host}: the website cannot be brought here by ssh -L")
            time.sleep(0.1)

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            return True
        except OSError:
            return False
