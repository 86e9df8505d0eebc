"""The cluster on the machines of a hosts file, by ssh.

    backend = HostsBackend(hosts, ssh, photos_folder, up_command, say)
    backend.start()                   # geni/cluster.sh up
    backend.unable(setting)           # why a setting cannot be measured here, or None
    ... as local_backend.LocalBackend ...
    backend.close()                   # links, workers and settings are as geni/cluster.sh made them

Links are changed by tc's netem at both ends, where the kernels have it. Workers have their machines'
cores, and come back as their systemd unit says (2 s after they ended). One thread.
"""
import contextlib
import subprocess

from figures import Figures, grown, ledger, ready_workers
from hosts import HostFailed
from local_backend import LinkFacts
from photos import Photos
from programs import wait_until
from remote_reach import There, Tunnel

READY_S = 180
WORKER_PORT = 2888


class HostsBackend:
    def __init__(self, hosts, ssh, photos_folder, up, say):
        """`up`: the command that brings the cluster up, or None where it is."""
        self._hosts, self._ssh, self._folder = hosts, ssh, photos_folder
        self._up, self._say = up, say
        self._setting = None
        self._no_links = None  # why links cannot be changed; "" where they can, None where nobody asked yet
        self._changed_links = True  # by a session that was killed, perhaps
        self._before = {}
        self.reach = self.figures = None
        self.link = LinkFacts(0.0, 0.0)  # what it has of itself is not known
        self.head_start_s = 0.0  # no share of CPU is saved up where there is none

    # ---- life ----
    def start(self):
        if self._up:
            self._say("Bringing the cluster up")
            done = subprocess.run(self._up, stdin=subprocess.DEVNULL, check=False)
            if done.returncode != 0:
                raise HostFailed("geni/cluster.sh could not bring the cluster up; its words are above")
        host = self._hosts.manager.ssh
        try:
            self.reach = There(self._ssh, host, self._folder)
        except HostFailed as error:
            self._say(f"The browser runs here, not on the manager's host ({error}): times have the way "
                      "there by ssh in them")
            self.reach = Tunnel(self._ssh, host, Photos(self._folder))
        self.figures = Figures(self.reach.get)

    def about(self):
        """{machine: what it is}."""
        lines = {m.name: self._ssh.root(m.ssh, "about").splitlines()
                 for m in (self._hosts.manager, *self._hosts.workers)}
        return {name: dict(line.split("=", 1) for line in said) for name, said in lines.items()}

    def close(self):
        """As far as the hosts can be reached, whatever fails."""
        for step in (self._clear_links, lambda: self._fail(0), self._start_all,
                     lambda: self.reach and self.reach.close()):
            try:
                step()
            except (HostFailed, OSError) as error:
                self._say(f"Not put back as it was: {error}")

    def give_up_cluster(self):
        """Nothing is kept from run to run; the browser makes a new connection where it lost its own."""

    def unable(self, setting):
        if setting.workers > len(self._hosts.workers):
            return f"it wants {setting.workers} workers, and the hosts file has {len(self._hosts.workers)}"
        if not setting.delay_ms and not setting.loss_percent:
            return None
        if self._no_links is None:
            self._no_links = self._reason_against_links()
        return self._no_links or None

    def ready(self, setting):
        self._have_workers(setting)
        self._have_links(setting)
        self._ssh.root(self._hosts.manager.ssh, "restart", "manager")
        self._setting = setting
        self.wait_idle()

    def wait_idle(self):
        wanted = self._setting.workers

        def idle():
            with contextlib.suppress(OSError, RuntimeError):
                metrics = self.figures.metrics()
                return ready_workers(metrics) == wanted and ledger(metrics)["open"] == 0

        wait_until(idle, lambda: f"{wanted} workers to be ready and idle", READY_S, step_s=0.2)

    # ---- a run ----
    def begin_run(self):
        self._before = self._counters()

    def end_run(self):
        now = self._counters()
        more = {name: grown(8 * self._before[name], 8 * now[name]) for name in ("sent", "received")}
        used = self._ssh.root(self._hosts.manager.ssh, "congestion", WORKER_PORT).split()
        return {"restarts": grown(self._before["restarts"], now["restarts"]), "wire_bits_out": more["sent"],
                "wire_bits_in": more["received"], "congestion_control": "+".join(used) or None}

    def manager_log(self):
        return self._ssh.root(self._hosts.manager.ssh, "presence")

    def worker_names(self):
        return [worker.name for worker in self._hosts.workers[:self._setting.workers]]

    def _counters(self):
        pairs = self._ssh.root(self._hosts.manager.ssh, "counters", *self._peers()).split()
        found = {name: int(value) for name, value in (pair.split("=") for pair in pairs)}
        found["restarts"] = int(self._ssh.root(self._hosts.workers[0].ssh, "restarts"))
        return found

    # ---- hosts ----
    def _peers(self):
        return [worker.address for worker in self._hosts.workers]

    def _have_workers(self, setting):
        for number, worker in enumerate(self._hosts.workers):
            self._ssh.root(worker.ssh, "start" if number < setting.workers else "stop", "worker")
        self._fail(setting.failure)

    def _start_all(self):
        for worker in self._hosts.workers:
            self._ssh.root(worker.ssh, "start", "worker")

    def _fail(self, probability):
        self._ssh.root(self._hosts.workers[0].ssh, "fail", f"{probability:g}")

    def _have_links(self, setting):
        if not setting.delay_ms and not setting.loss_percent:
            self._clear_links()
            return
        self._changed_links = True
        self._everywhere("netem", f"{setting.delay_ms:g}", f"{setting.loss_percent:g}")

    def _clear_links(self):
        if self._changed_links:
            self._everywhere("netem-clear")
            self._changed_links = False

    def _reason_against_links(self):
        try:
            self._everywhere("netem-try")
        except HostFailed as error:
            return (f"links cannot be given delay and loss: {error}. imgrec-link, which has them of itself, "
                    "is for namespaces of one machine: --on local")
        return ""

    def _everywhere(self, *words):
        """At both ends of every link."""
        self._ssh.root(self._hosts.manager.ssh, *words, *self._peers())
        for worker in self._hosts.workers:
            self._ssh.root(worker.ssh, *words, worker.manager_address)
