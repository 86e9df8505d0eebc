"""A real manager and real workers on ephemeral ports, with verbs for what happens to them.

    cluster = Cluster(tmp_path)
    cluster.start()
    cluster.add_workers(3)
    ids = cluster.client.upload([("a.png", png())])
    cluster.client.wait_settled(ids)
    cluster.close()

close() checks the ledger (accepted = done + failed + open), ends every process in order and fails
if one of them crashed or a sanitizer reported anything.
"""
import http.client
import itertools
import os
import pathlib
import re
import secrets
import signal
import subprocess
import time
import urllib.parse

import requests

BIN_DIR = pathlib.Path(os.environ.get("IMGREC_BIN_DIR", "build/release/bin")).resolve()
REPO = pathlib.Path(__file__).resolve().parents[2]
FRONTEND = REPO / "frontend"
# Longest wait for anything. Generous: sanitizers are slow and the machine may be busy.
PATIENCE_S = 120
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error:|Assertion .* failed")


def binary(name):
    return str(BIN_DIR / name)


def wait_until(condition, what, timeout_s=PATIENCE_S):
    """Returns the first true result of condition(); fails naming `what` after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what}"
        time.sleep(0.02)


def ledger_of(metrics):
    return {"accepted": int(metrics["imgrec_images_accepted_total"]),
            "done": int(metrics["imgrec_images_done_total"]),
            "failed": int(metrics["imgrec_images_failed_total"]),
            "open": int(metrics["imgrec_images_open"])}


def balances(ledger):
    return ledger["accepted"] == ledger["done"] + ledger["failed"] + ledger["open"]


def samples_of(text):
    """{'name{label="x"}': value} of Prometheus's text format."""
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            samples[name] = float(value)
    return samples


class Program:
    """One process of ours; its stderr goes to a file that can be waited on."""

    def __init__(self, name, arguments, log_path, env=None):
        self.name = name
        self.log_path = pathlib.Path(log_path)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(env or {})})
        self.killed = False  # by us, so that no clean exit can be asked for

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

    def page_faults(self):
        """Pages of memory that it had to be given while it ran, since its start."""
        return int(self._stat()[7])

    def cpu_seconds(self):
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _stat(self):
        """/proc/PID/stat from its third field on: what stands before is the program's name."""
        return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()

    def sanitized(self):
        """Built with a sanitizer, which shadows memory and keeps what was freed."""
        maps = pathlib.Path(f"/proc/{self.pid}/maps").read_text()
        return "libasan" in maps or "libtsan" in maps

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, timeout_s=PATIENCE_S):
        def search():
            found = re.search(pattern, self.log())
            assert found or self.alive(), f"{self.name} ended early:\n{self.tail()}"
            return found

        return wait_until(search, f"{pattern!r} in the log of {self.name}:\n{self.tail()}",
                          timeout_s)

    def tail(self):
        return "\n".join(self.log().splitlines()[-25:])

    def signal(self, number):
        self.process.send_signal(number)

    def kill9(self):
        self.killed = True
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout_s=PATIENCE_S):
        """SIGTERM; returns the exit code."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s=PATIENCE_S):
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"{self.name} did not end in {timeout_s} s:\n{self.tail()}")

    def check_no_report(self):
        report = REPORT.search(self.log())
        assert not report, f"{self.name} reported:\n{self.log()[report.start():][:4000]}"
        code = self.process.poll()
        if not self.killed and code is not None:
            assert code >= 0 and code != 99, f"{self.name} died with {code}:\n{self.tail()}"


class Client:
    """One session at the HTTP API: a person with a browser."""

    def __init__(self, cluster, session=None):
        self.cluster = cluster
        self.session = session or secrets.token_hex(16)
        self.http = requests.Session()
        self.http.headers["X-Session"] = self.session

    @property
    def url(self):
        return f"http://{self.cluster.http_address}"

    def get(self, path, **keywords):
        return self.http.get(self.url + path, timeout=PATIENCE_S, **keywords)

    def post(self, path, **keywords):
        return self.http.post(self.url + path, timeout=PATIENCE_S, **keywords)

    def upload(self, files, **params):
        """[(name, bytes)] in one multipart request; returns the ids, in order."""
        response = self.post("/api/v1/images", params=params,
                             files=[("file", (name, data)) for name, data in files])
        assert response.status_code == 202, response.text
        answer = response.json()
        assert answer["rejected"] == [], answer["rejected"]
        assert [i["name"] for i in answer["images"]] == [name for name, _ in files]
        return [image["id"] for image in answer["images"]]

    def image(self, image_id):
        response = self.get(f"/api/v1/images/{image_id}")
        assert response.status_code == 200, response.text
        return response.json()

    def images(self):
        """Every image of this session, newest first, by way of the pages."""
        found, cursor = [], None
        while True:
            params = {"limit": 100, **({"cursor": cursor} if cursor else {})}
            page = self.get("/api/v1/images", params=params).json()
            found += page["images"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def settled(self):
        return {i["id"]: i for i in self.images() if i["state"] in ("done", "failed")}

    def wait_settled(self, ids, timeout_s=PATIENCE_S):
        """Waits until all have settled; returns them by id."""
        wanted = set(ids)

        def all_settled():
            settled = self.settled()
            return settled if wanted <= settled.keys() else None

        settled = wait_until(all_settled, f"{len(wanted)} images to settle", timeout_s)
        return {i: settled[i] for i in ids}

    def wait_done(self, ids, timeout_s=PATIENCE_S):
        images = self.wait_settled(ids, timeout_s)
        for image in images.values():
            assert image["state"] == "done", image
        return images

    def socket(self, after=None, origin=None):
        from sockets import ResultSocket

        return ResultSocket(self.cluster.http_address, self.session, after=after, origin=origin)

    def raw_request(self, method, path, body, headers):
        """Without the conveniences of a library; returns (status, text)."""
        connection = http.client.HTTPConnection(self.cluster.http_address, timeout=PATIENCE_S)
        connection.request(method, path, body, {"X-Session": self.session, **headers})
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        connection.close()
        return response.status, text


class Cluster:
    def __init__(self, directory, manager_args=(), worker="imgrec-fake-worker", worker_args=()):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.manager_args = list(manager_args)
        self.worker_binary = worker
        self.worker_args = list(worker_args)
        self.operator = {}  # what the operator's own requests send, for instance a token
        self.workers = []
        self.programs = []  # every process ever started
        self.manager = None
        self.http_address = self.worker_address = None
        self.ops_address = None  # where the manager has an operations port
        self._numbers = itertools.count(1)

    # ---- life ----
    def start(self):
        self.start_manager()
        self.client = Client(self)

    def close(self, failed=False):
        """Checks the ledger, stops everything in order, looks for crashes. After a failed test:
        shows the logs and ends everything."""
        try:
            if not failed:
                self.check_ledger()
                self.stop()
        finally:
            for program in self.programs:
                if program.alive():
                    program.kill9()
                if failed:
                    print(f"---- {program.name} ----\n{program.tail()}")
        if not failed:
            for program in self.programs:
                program.check_no_report()

    def stop(self):
        for worker in self.workers:
            if worker.alive() and not worker.killed:
                assert worker.terminate() == 0, worker.tail()
        if self.manager.alive():
            assert self.manager.terminate() == 0, self.manager.tail()

    # ---- the manager ----
    def start_manager(self):
        http_port = worker_port = 0
        if self.http_address:  # as before: clients and workers come back to the same ports
            http_port = self.http_address.rsplit(":", 1)[1]
            worker_port = self.worker_address.rsplit(":", 1)[1]
        name = f"manager-{next(self._numbers)}"
        arguments = [binary("imgrec-manager"), "--port", http_port, "--worker-port", worker_port,
                     "--data", self.data, "--frontend", FRONTEND, *self.manager_args]
        self.manager = Program(name, arguments, self.directory / f"{name}.log")
        self.programs.append(self.manager)
        ready = self.manager.wait_log(r"manager_ready http=(\S+) workers=(\S+)")
        self.http_address, self.worker_address = ready.groups()
        ops = re.search(r"ops_listening address=(\S+)", self.manager.log())
        self.ops_address = ops and ops.group(1)

    def kill9_manager(self):
        self.manager.kill9()

    def restart_manager(self):
        """Starts it again on the same ports and data."""
        assert not self.manager.alive()
        self.start_manager()

    # ---- workers ----
    def add_worker(self, *arguments, binary_name=None, name=None, prefix=()):
        """`prefix`: a command that becomes the worker in the end."""
        name = name or f"worker-{next(self._numbers)}"
        command = [*prefix, binary(binary_name or self.worker_binary), "--manager", self.worker_address,
                   "--name", name, *self.worker_args, *arguments]
        worker = Program(name, command, self.directory / f"{name}.log")
        worker.arguments = arguments
        self.workers.append(worker)
        self.programs.append(worker)
        return worker

    def add_workers(self, count, *arguments):
        """Starts them and waits until the manager counts them all as ready."""
        added = [self.add_worker(*arguments) for _ in range(count)]
        names = {worker.name for worker in added}

        def all_ready():
            for worker in added:
                assert worker.alive(), f"{worker.name} ended early:\n{worker.tail()}"
            return names <= {w["name"] for w in self.ready_workers()}

        wait_until(all_ready, f"{count} more ready workers")
        return added

    def kill9_worker(self, worker):
        worker.kill9()

    def ready_workers(self):
        return [w for w in self.cluster()["workers"] if w["state"] == "ready"]

    # ---- figures ----
    def cluster(self):
        return self.read("/api/v1/cluster").json()

    def read(self, path):
        """As the operator; a rate that the test set is waited out."""
        def answer():
            got = requests.get(f"http://{self.http_address}{path}", headers=self.operator,
                               timeout=PATIENCE_S)
            return got if got.status_code != 429 else None

        got = wait_until(answer, f"{path} to be let through")
        assert got.status_code == 200, got.text
        return got

    def metrics(self):
        """{'name{label="x"}': value} of /metrics."""
        if self.ops_address:
            return samples_of(requests.get(f"http://{self.ops_address}/metrics",
                                           timeout=PATIENCE_S).text)
        return samples_of(self.read("/metrics").text)

    def attempts(self, result):
        return self.metrics()[f'imgrec_attempts_total{{result="{result}"}}']

    def ledger(self):
        return ledger_of(self.metrics())

    def check_ledger(self):
        """accepted = done + failed + open, at any moment."""
        ledger = self.ledger()
        assert balances(ledger), ledger
        return ledger

    def worker_host_port(self):
        parts = urllib.parse.urlsplit("//" + self.worker_address)
        return parts.hostname, parts.port
