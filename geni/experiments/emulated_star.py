"""The star of namespaces, each link an emulated one whose delay and loss can be changed while it runs.

    star = EmulatedStar(Star(3), folder, link_program, rate="100mbit", base_delay_ms=1)
    star.start()
    star.set_links(delay_ms=500, loss_percent=5)
    star.inside("worker-2", command)
    star.close()

One imgrec-link process has all links; its devices are called link-1, link-2, ... at both ends. As
network.Network: needs root, and to be in a network namespace of its own (isolate.py). One thread.
"""
import json
import pathlib
import socket
import subprocess
import time

from network import Network, die_with_parent
from star import MANAGER, PREFIX_BITS

READY_S = 20
SYSCTL = pathlib.Path(__file__).resolve().parents[1] / "remote/sysctl.conf"


class EmulatedStar(Network):
    """Owns the namespaces' processes and imgrec-link's."""

    def __init__(self, star, folder, program, rate, base_delay_ms, seed=1, flags=()):
        super().__init__(star, control=False)
        self._folder, self._program = pathlib.Path(folder), program
        self._rate, self._base_delay_ms = rate, base_delay_ms
        self._seed, self._flags = seed, list(flags)
        self._emulator = None
        self._socket = str(self._folder / "link.socket")
        self.log = self._folder / "link.log"

    def start(self):
        super().start()
        try:
            for node in self.star.nodes:
                self._tune(node)
            self._start_emulator()
        except BaseException:
            self.close()
            raise

    def close(self):
        if self._emulator:
            self._emulator.terminate()
            self._emulator.wait()
        self._emulator = None
        super().close()

    def set_links(self, delay_ms, loss_percent):
        """Of all links, each way; the delay is what they have beyond their own."""
        self.command(f"set all both delay={self._base_delay_ms + delay_ms:g}ms loss={loss_percent:g}%")

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(READY_S)
            connection.connect(self._socket)
            connection.sendall(text.encode() + b"\n")
            answer = json.loads(connection.makefile().read())
        if "error" in answer:
            raise RuntimeError(f"imgrec-link: {text}: {answer['error']}")
        return answer

    def _tune(self, node):
        """As geni/remote/setup.sh does with hosts."""
        done = subprocess.run(self.inside(node, ["sysctl", "-q", "-p", SYSCTL]), capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{node}: {SYSCTL} cannot be had: {done.stderr.strip()}")

    def _connect(self, link):
        """imgrec-link does that, for all links at once."""

    def _start_emulator(self):
        links = self._folder / "links.yaml"
        links.write_text("links:\n" + "".join(
            f'  - {{name: {link.name}, '
            f'a: "{self.namespace(MANAGER)}:{link.name}:{link.manager_address}/{PREFIX_BITS}", '
            f'b: "{self.namespace(link.worker)}:{link.name}:{link.worker_address}/{PREFIX_BITS}"}}\n'
            for link in self.star.links))
        with open(self.log, "ab") as log:
            self._emulator = subprocess.Popen(
                [self._program, "--links", links, "--rate", self._rate, "--delay",
                 f"{self._base_delay_ms:g}ms", "--seed", str(self._seed), "--control", self._socket,
                 *self._flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)
        deadline = time.monotonic() + READY_S
        while "link_ready" not in self.log.read_text():
            if self._emulator.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"imgrec-link did not start: {self.log.read_text()[-500:]}")
            time.sleep(0.02)
