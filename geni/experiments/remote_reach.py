"""The browser on the manager's host, so that nothing of the way to that host is measured; or, where that
host has no Python, the browser here and the website brought here by ssh.

    reach = There(ssh, "ana@pc1", photos_folder)    # raises HostFailed where there is no python3
    reach = Tunnel(ssh, "ana@pc1", photos)
    reach.close()
"""
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
READY_S, ANSWER_S = 60, 120


class There:
    """Owns a folder and a process on the host. One thread."""

    def __init__(self, ssh, host, folder, website=WEBSITE):
        self._ssh, self._host = ssh, host
        self._process = None
        self._place = f"/var/tmp/imgrec-experiments-{secrets.token_hex(8)}"
        ssh.run(host, ["python3", "-c", "import http.client, json"], what="python3")
        try:
            self._send(folder)
            self._process = subprocess.Popen(
                ssh.command(host, "python3", "-B", f"{self._place}/remote_browser.py", f"{self._place}/photos",
                            website), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._read(READY_S)
        except BaseException:
            self.close()
            raise

    def close(self):
        if self._process:
            self._process.stdin.close()
            self._process.terminate()
            self._process.wait()
        subprocess.run(self._ssh.command(self._host, "rm", "-rf", self._place), capture_output=True, check=False)

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

    def _ask(self, request, patience_s):
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._read(patience_s)
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
        return json.loads(line)


class Tunnel(Here):
    """Owns an ssh process."""

    def __init__(self, ssh, host, photos):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        super().__init__(("127.0.0.1", port), photos)
        command = ssh.command(host)[:-3]
        self._process = subprocess.Popen(
            [*command, "-o", "ExitOnForwardFailure=yes", "-N", "-L", f"127.0.0.1:{port}:{WEBSITE}", "--", host],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # it complains while the manager restarts
        deadline = time.monotonic() + READY_S
        while not self._answers(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise HostFailed(f"{host}: the website cannot be brought here by ssh -L")
            time.sleep(0.1)

    def close(self):
        self._process.terminate()
        self._process.wait()

    def _answers(self, port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            return False
