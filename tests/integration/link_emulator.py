"""imgrec-link between two namespaces of its own, for tests and measurements.

    with EmulatedLink("delay=50ms", b_to_a="loss=10%") as link:
        link.command("set link both rate=10mbit")
        link.statistics()["a_to_b"]["delivered"]["packets"]
"""
import json
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from cluster import BIN_DIR
from net_sandbox import Sandbox

ADDRESS_A, ADDRESS_B = "10.201.0.1", "10.201.0.2"
PATIENCE_S = 20


class EmulatedLink:
    def __init__(self, settings="", a_to_b="", b_to_a="", seed=1, arguments=()):
        self.a, self.b = Sandbox(), Sandbox()
        self.directory = tempfile.TemporaryDirectory(prefix="imgrec-link-")
        folder = pathlib.Path(self.directory.name)
        self.control = str(folder / "control")
        self.stats_file = folder / "stats.json"
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [BIN_DIR / "imgrec-link", "--a", f"{self.a.path}:sa:{ADDRESS_A}/30",
             "--b", f"{self.b.path}:sb:{ADDRESS_B}/30", "--a-to-b", f"{settings} {a_to_b}",
             "--b-to-a", f"{settings} {b_to_a}", "--seed", str(seed), "--control", self.control,
             "--stats", str(self.stats_file), *arguments], stderr=self.log.open("w"))
        try:
            self._await_ready()
        except BaseException:
            self.close()
            raise

    def _await_ready(self):
        deadline = time.monotonic() + PATIENCE_S
        while "link_ready" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"imgrec-link did not start: {self.log.read_text()}")
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.a.close()
        self.b.close()
        self.directory.cleanup()

    def terminate(self):
        """Ends it as one should; the exit code, and the statistics that it left."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        return code, json.loads(self.stats_file.read_text())

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(self.control)
            connection.sendall(text.encode() + b"\n")
            answer = json.loads(connection.makefile().read())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def statistics(self):
        """Of the link; "cpu_seconds" and "seconds" of the program."""
        everything = self.command("stats")
        return {**everything["links"][0], "cpu_seconds": everything["cpu_seconds"],
                "seconds": everything["seconds"]}

    def socket(self, side, kind=socket.SOCK_DGRAM, protocol=0):
        """A socket in the namespace of side "a" or "b", bound to its address, with room."""
        namespace, address = (self.a, ADDRESS_A) if side == "a" else (self.b, ADDRESS_B)
        with namespace.entered():
            made = socket.socket(socket.AF_INET, kind, protocol)
        made.bind((address, 0))
        return made


def unaccounted(direction):
    """Packets of a direction's statistics that were taken in and became nothing: 0."""
    fates = ("delivered", "lost", "dropped", "cut", "overflowed", "refused")
    return (direction["in"]["packets"] - direction["held"]
            - sum(direction[fate]["packets"] for fate in fates))
