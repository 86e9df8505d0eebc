"""The star of a manager and its workers, made of this machine's network namespaces.

    network = Network(Star(3))
    network.start()
    subprocess.run(network.inside("worker-2", ["ping", "-c1", "10.10.2.1"]))
    network.close()

Each node is a namespace, held open by a process that sleeps; each link is a veth pair, whose ends are
called after the link (link-2) in both nodes. Beside the links there is, where wanted, a control
network, as testbeds have one: an interface "control" in each node, bridged to the namespace that the
caller is in, where the experimenter sits.

Needs root. All of it is gone when close() is called, or when the caller ends, however it ends. Call it
in a network namespace of your own (isolate.py), and it touches nothing of the machine's network.
One thread.
"""
import ctypes
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from star import MANAGER, PREFIX_BITS  # noqa: E402

EXPERIMENTER = "10.9.0.1"
CONTROL_PREFIX_BITS = 16
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """For preexec_fn: the kernel ends this process when the one that started it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Network:
    """REQUIRES: root. Owns the namespaces' processes."""

    def __init__(self, star, control=True):
        self.star = star
        self.control = control
        self._holders = {}

    def start(self):
        try:
            for node in self.star.nodes:
                self._hold(node)
            for link in self.star.links:
                self._connect(link)
            if self.control:
                self._make_control()
        except BaseException:
            self.close()
            raise

    def close(self):
        for holder in self._holders.values():
            holder.kill()
            holder.wait()
        self._holders.clear()
        if self.control:
            subprocess.run(["ip", "link", "delete", "control"], stderr=subprocess.DEVNULL, check=False)

    def namespace(self, node):
        """The file that is the node's network namespace."""
        return f"/proc/{self._holders[node].pid}/ns/net"

    def inside(self, node, command):
        """`command`, to be run in the node's network."""
        return ["nsenter", f"--net={self.namespace(node)}", "--", *command]

    def control_address(self, node):
        if node == MANAGER:
            return "10.9.1.1"
        return f"10.9.2.{self.star.workers.index(node) + 1}"

    def _hold(self, node):
        holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  preexec_fn=die_with_parent)
        self._holders[node] = holder
        if holder.stdout.readline() != b"\n":
            raise RuntimeError(f"there is no network namespace to be had for {node}: is this root?")
        holder.stdout.close()
        self._ip(node, "link", "set", "lo", "up")

    def _connect(self, link):
        ends = {MANAGER: link.manager_address, link.worker: link.worker_address}
        manager, worker = (str(self._holders[node].pid) for node in ends)
        _run("ip", "link", "add", link.name, "netns", manager, "type", "veth",
             "peer", "name", link.name, "netns", worker)
        for node, address in ends.items():
            self._ip(node, "address", "add", f"{address}/{PREFIX_BITS}", "dev", link.name)
            self._ip(node, "link", "set", link.name, "up")

    def _make_control(self):
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "control", "type", "bridge")
        _run("ip", "address", "add", f"{EXPERIMENTER}/{CONTROL_PREFIX_BITS}", "dev", "control")
        _run("ip", "link", "set", "control", "up")
        for i, node in enumerate(self.star.nodes):
            port = f"control-{i}"
            _run("ip", "link", "add", port, "type", "veth",
                 "peer", "name", "control", "netns", str(self._holders[node].pid))
            _run("ip", "link", "set", port, "master", "control", "up")
            self._ip(node, "address", "add",
                     f"{self.control_address(node)}/{CONTROL_PREFIX_BITS}", "dev", "control")
            self._ip(node, "link", "set", "control", "up")

    def _ip(self, node, *arguments):
        _run(*self.inside(node, ["ip", *arguments]))


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
