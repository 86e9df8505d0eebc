"""What the browser tests drive: the real manager with workers, or mock_server.py.

Everything listens on loopback with ports of the system's choice, keeps its data in a temporary
folder, and is ended by process id.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

REPO = pathlib.Path(__file__).resolve().parents[2]
READY = re.compile(r"manager_ready http=(\S+) workers=(\S+)")


class RealSystem:
    def __init__(self, bin_dir, model=None, manager_flags=()):
        self.bin_dir = pathlib.Path(bin_dir)
        self.manager_flags = manager_flags
        self.model = model
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="imgrec-browser-"))
        self.manager = None
        self.workers = []
        self.http = self.worker_address = None
        self.logs = 0
        self.start_manager()

    @property
    def url(self):
        return f"http://{self.http}/"

    def start_manager(self):
        ports = ["0", "0"]
        if self.http:  # a restart: where it was, with what it had
            ports = [address.rsplit(":", 1)[1] for address in (self.http, self.worker_address)]
        self.manager, log = self.run("imgrec-manager", "--port", ports[0], "--worker-port",
                                     ports[1], "--data", self.dir / "data", "--frontend",
                                     REPO / "frontend", *self.manager_flags)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            match = READY.search(log.read_text(errors="replace"))
            if match:
                self.http, self.worker_address = match.groups()
                return
            if self.manager.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the manager did not become ready:\n{log.read_text()}")

    def kill_manager(self):
        self.manager.kill()
        self.manager.wait()

    def outage(self, act):
        """The manager is killed, `act` happens, the manager comes back."""
        self.kill_manager()
        act()
        self.start_manager()

    def has_real_workers(self):
        return (self.bin_dir / "imgrec-worker").exists()

    def start_workers(self, count=3, delay_ms=30, with_model=False):
        for number in range(1, count + 1):
            common = ["--manager", self.worker_address, "--name", f"worker-{number}"]
            if with_model:
                process, _ = self.run("imgrec-worker", *common, "--model", self.model)
            else:
                process, _ = self.run("imgrec-fake-worker", *common, "--delay-ms", delay_ms)
            self.workers.append(process)

    def stop_workers(self):
        for process in self.workers:
            process.terminate()
        for process in self.workers:
            process.wait(timeout=10)
        self.workers = []

    def run(self, program, *arguments):
        self.logs += 1
        log = self.dir / f"{self.logs}-{program}.log"
        with open(log, "w") as output:
            process = subprocess.Popen([self.bin_dir / program, *map(str, arguments)],
                                       stdout=output, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL)
        return process, log

    def stop(self, keep_logs_in=None):
        for process in [*self.workers, self.manager]:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in [*self.workers, self.manager]:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if keep_logs_in:
            os.makedirs(keep_logs_in, exist_ok=True)
            for log in self.dir.glob("*.log"):
                shutil.copy(log, keep_logs_in)
        shutil.rmtree(self.dir, ignore_errors=True)


class MockSystem:
    """mock_server.py, at `url` or one of our own; for what the real system cannot be made to do.
    Its photos stay, sessions are told apart by their cookies."""
    model = "mock"
    bin_dir = None

    def __init__(self, url=None):
        self.process = None
        if not url:
            self.process = subprocess.Popen(
                [sys.executable, REPO / "tests/browser/mock_server.py", "--port", "0"],
                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
            url = self.process.stdout.readline().strip()
        self.url = url.rstrip("/") + "/"
        self.control("workers?n=0")

    def has_real_workers(self):
        return True  # the mock stands in for them

    def control(self, command):
        request = urllib.request.Request(f"{self.url}mock/{command}", method="POST")
        urllib.request.urlopen(request, timeout=10).read()

    def start_workers(self, count=3, delay_ms=30, with_model=False):
        self.control(f"speed?ms={200 if with_model else delay_ms}")
        self.control(f"workers?n={count}")

    def ask_for_token(self, token=None):
        """From now on; every connection is dropped, once. Without a token: no more."""
        self.control(f"token?value={urllib.parse.quote(token)}" if token else "token")
        time.sleep(0.2)

    def outage(self, act, seconds=4):
        end = time.monotonic() + seconds
        self.control(f"cut?seconds={seconds}")
        act()
        time.sleep(max(0, end - time.monotonic()))

    def stop(self, keep_logs_in=None):
        if not self.process:
            self.control("workers?n=0")
            return
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process.stdout.close()
