"""The cluster on this machine: manager and workers in namespaces with an emulated link each, every worker
under its share of CPU.

    backend = LocalBackend(options, folder, shares)
    backend.start()
    backend.ready(setting)            # the cluster as the setting wants it, idle
    backend.begin_run(); ...; backend.end_run()
    backend.close()

What lives how long: namespaces and links, for the session; workers, whose models take seconds to load,
until a setting wants fewer, or another worker-1; the manager, for one run, so that neither what it knows of
workers nor what TCP knows of links comes from another one.

Everything runs in the caller's namespaces (isolate.py); start() moves the caller into the manager's
network. One thread, beside those of the services.
"""
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

from cpu_share import head_start_s
from emulated_star import EmulatedStar
from figures import Figures, ledger, ready_workers
from programs import Service, stop_all, wait_until
from reach import Here
from star import MANAGER, Star

ADDRESS = ("127.0.0.1", 8080)
WORKER_PORT = 2888
START_S = 60
CLONE_NEWNET = 0x40000000
REPO = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class LocalOptions:
    bin_dir: pathlib.Path
    model: pathlib.Path
    workers: int  # as many as any setting has
    rate: str
    rate_mbit: float  # the same; 0: no limit
    base_delay_ms: float
    congestion: str  # of manager and workers; None: what they choose
    cpu_share: float
    seed: int
    manager_flags: list
    worker_flags: list
    link_flags: list


@dataclasses.dataclass
class LinkFacts:
    base_delay_ms: float  # one way, of the link itself
    rate_bits: float  # 0: without a limit, or not known


class LocalBackend:
    def __init__(self, options, photos, folder, shares):
        """`folder`: for logs. `shares`: CpuShares, whose groups somebody else removes."""
        self._options, self._logs, self._shares = options, pathlib.Path(folder), shares
        self._data = self._logs.parent / ".data"
        self._star = EmulatedStar(Star(options.workers), self._logs, options.bin_dir / "imgrec-link",
                                  options.rate, options.base_delay_ms, options.seed, options.link_flags)
        self._manager = None
        self._workers = {}  # name: (Service, probability of failure)
        self._managers = 0
        self._restarts_before = 0
        self.link = LinkFacts(options.base_delay_ms, 1e6 * options.rate_mbit)
        self.head_start_s = head_start_s(options.cpu_share)
        self.reach = Here(ADDRESS, photos)
        self.figures = Figures(self.reach.get)

    # ---- life ----
    def start(self):
        self._star.start()
        _enter_network(self._star.namespace(MANAGER))

    def close(self):
        self.give_up_cluster()
        self._stop_manager()
        self._star.close()

    def give_up_cluster(self):
        """After a run that failed: the next ready() makes everything anew but the links."""
        stop_all([service for service, _ in self._workers.values()])
        self._workers.clear()

    def unable(self, _setting):
        """Why a setting cannot be measured here, or None."""
        return None

    def ready(self, setting):
        """Waits until the cluster is as `setting` wants it, with a new manager, and idle."""
        self._stop_manager()
        self._have_workers(setting)
        self._star.set_links(setting.delay_ms, setting.loss_percent)
        self._start_manager()
        self.wait_idle()

    def wait_idle(self):
        wanted = len(self._workers)

        def idle():
            self._check_alive()
            metrics = self.figures.metrics()
            return ready_workers(metrics) == wanted and ledger(metrics)["open"] == 0

        wait_until(idle, lambda: f"{wanted} workers to be ready and idle{self._last_words()}", START_S)

    # ---- a run ----
    def begin_run(self):
        self._star.command("reset")
        self._restarts_before = self._restarts()

    def end_run(self):
        """Columns that only this backend knows."""
        links = self._star.command("stats")["links"]
        both = [link[way] for link in links for way in ("a_to_b", "b_to_a")]
        return {
            "restarts": self._restarts() - self._restarts_before,
            "wire_bits_out": sum(8 * link["a_to_b"]["in"]["bytes"] for link in links),
            "wire_bits_in": sum(8 * link["b_to_a"]["in"]["bytes"] for link in links),
            "link_lateness_p99_ms": max(way["lateness_ms"]["p99"] for way in both),
            "link_unread": sum(way["unread"] for way in both),
            "congestion_control": self._congestion(),
            "link_rate_mbit": self._options.rate_mbit,
            "cpu_share": self._options.cpu_share,
        }

    def manager_log(self):
        return self._manager.log.read_text(errors="replace")

    def worker_names(self):
        return list(self._workers)

    # ---- programs ----
    def _have_workers(self, setting):
        names = self._star.star.workers[:setting.workers]
        wanted = {name: setting.failure if name == "worker-1" else 0.0 for name in names}
        others = [name for name, (_, failure) in self._workers.items() if failure != wanted.get(name)]
        stop_all([self._workers.pop(name)[0] for name in others])
        for name, failure in wanted.items():
            if name not in self._workers:
                self._workers[name] = self._start_worker(name, failure), failure

    def _start_worker(self, name, failure):
        options = self._options
        link = self._star.star.links[self._star.star.workers.index(name)]
        command = [options.bin_dir / "imgrec-worker", "--manager",
                   f"{link.manager_address}:{WORKER_PORT}", "--name", name, "--model", options.model,
                   "--streams", "1", *self._congestion_flags(), *options.worker_flags]
        if failure:
            command += ["--fail-probability", f"{failure:g}"]
        limited = self._shares.limited(name, options.cpu_share, [str(c) for c in command])
        return Service(self._star.inside(name, limited), self._logs / f"{name}.log")

    def _start_manager(self):
        shutil.rmtree(self._data, ignore_errors=True)
        self._managers = 1 + max([self._managers, *map(_number, self._logs.glob("manager-*.log"))])
        command = [self._options.bin_dir / "imgrec-manager", "--listen", ADDRESS[0], "--port", ADDRESS[1],
                   "--worker-listen", "0.0.0.0", "--worker-port", WORKER_PORT, "--data", self._data,
                   "--frontend", REPO / "frontend", *self._congestion_flags(), *self._options.manager_flags]
        log = self._logs / f"manager-{self._managers}.log"
        self._manager = Service(command, log, restart=False)

        def listening():
            self._check_alive()
            return "manager_ready" in log.read_text(errors="replace")

        wait_until(listening, lambda: f"the manager to start:\n{self._manager.tail()}", START_S)

    def _congestion_flags(self):
        return [f"--congestion-control={self._options.congestion}"] if self._options.congestion else []

    def _stop_manager(self):
        if self._manager:
            self._manager.stop()
        self._manager = None
        shutil.rmtree(self._data, ignore_errors=True)

    def _check_alive(self):
        for service in [self._manager, *(service for service, _ in self._workers.values())]:
            if not service.alive():
                raise RuntimeError(f"{service.log.name}: the program ended:\n{service.tail()}")

    def _last_words(self):
        """Of workers, which are started again and again whatever they end of."""
        return "".join(f"; {service.log.name} ends with: {' | '.join(service.tail(3).splitlines())}"
                       for service, _ in self._workers.values())

    def _restarts(self):
        return sum(service.restarts for service, _ in self._workers.values())

    def _congestion(self):
        """What the manager's connections to workers really use, as the kernel says."""
        done = subprocess.run(["ss", "-tinH", "state", "established", f"sport = :{WORKER_PORT}"],
                              capture_output=True, text=True, check=False)
        found = set(re.findall(r"^\s+(?:\S+ )*?(bbr|cubic|reno|dctcp|vegas|westwood|htcp)\b", done.stdout, re.M))
        return "+".join(sorted(found)) or None


def _number(log):
    return int(log.stem.rsplit("-", 1)[1])


def _enter_network(namespace):
    """This process, and every thread that it makes from now on, is in that network."""
    descriptor = os.open(namespace, os.O_RDONLY)
    with contextlib.closing(os.fdopen(descriptor)):
        libc = ctypes.CDLL("libc.so.6", use_errno=True)
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{namespace}: {os.strerror(number)}")
