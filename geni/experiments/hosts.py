"""The hosts of a hosts file (geni/README.md), and commands on them by ssh.

    hosts = read_hosts("hosts.yaml")
    ssh = Ssh(config=None)
    ssh.root(hosts.manager.ssh, "counters", "10.10.1.2")     # remote.sh there; what it printed
"""
import dataclasses
import pathlib
import re
import shlex
import subprocess

REMOTE = pathlib.Path(__file__).resolve().parent / "remote.sh"
OPTIONS = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15",
           "-o", "ServerAliveCountMax=8"]
PATIENCE_S = 180
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@/%-]{0,255}")
_MACHINE = re.compile(r"\{(.*)\}\s*")
# As geni/common.sh: nothing but "bash" is said to the account's shell, whatever that is.
_AS_ROOT = ('if [ "$(id -u)" = 0 ]; then bash --norc -s -- {words}; '
            "else sudo -n env SSH_CONNECTION=\"$SSH_CONNECTION\" bash --norc -s -- {words}; fi")


class BadHosts(ValueError):
    """The hosts file is wrong, in words for people."""


class HostFailed(RuntimeError):
    """A host did not do what it was asked to, in words for people."""


@dataclasses.dataclass(frozen=True)
class Machine:
    name: str
    ssh: str
    address: str
    manager_address: str = ""  # of the manager, as this worker reaches it


@dataclasses.dataclass(frozen=True)
class Hosts:
    manager: Machine
    workers: tuple


def read_hosts(path):
    """As geni/cluster.sh reads it: one line a machine."""
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadHosts(f"the hosts file {path} cannot be read: {error}") from error
    manager, workers = None, []
    for number, line in enumerate(lines, 1):
        text, where = line.strip(), f"{path}, line {number}"
        if not text or text.startswith("#") or text == "workers:":
            continue
        if text.startswith("manager:") and manager is None:
            manager = Machine("manager", **_fields(text[len("manager:"):], where, ("ssh", "address")))
        elif text.startswith("-") and manager is not None:
            keys = ("ssh", "address", "manager_address")
            workers.append(Machine(f"worker-{len(workers) + 1}", **_fields(text[1:], where, keys)))
        else:
            raise BadHosts(f"{where}: this is neither the manager's line, nor a worker's")
    if manager is None or not workers:
        raise BadHosts(f"{path} names no {'workers' if manager else 'manager'}")
    return Hosts(manager, tuple(workers))


def _fields(text, where, keys):
    inner = _MACHINE.fullmatch(text.strip())
    found = dict(re.findall(r"\s*([a-z_]+):\s+([^,\s]+)\s*(?:,|$)", inner.group(1))) if inner else {}
    if set(found) != set(keys) or not all(_NAME.fullmatch(value) for value in found.values()):
        raise BadHosts(f"{where}: it is to be {{{', '.join(key + ': ...' for key in keys)}}}")
    return found


class Ssh:
    def __init__(self, config=None):
        self.options = [*OPTIONS, *(["-F", str(config)] if config else [])]

    def command(self, host, *words):
        return ["ssh", *self.options, "--", host, " ".join(map(shlex.quote, words))]

    def root(self, host, *words):
        """What remote.sh prints there. Raises HostFailed with what it complained of."""
        quoted = " ".join(shlex.quote(str(word)) for word in words)
        script = _AS_ROOT.format(words=quoted)
        return self.run(host, ["bash", "--norc", "-c", script], REMOTE.read_bytes(), f"remote.sh {quoted}")

    def run(self, host, words, data=b"", what=None):
        try:
            done = subprocess.run(self.command(host, *words), input=data, capture_output=True,
                                  timeout=PATIENCE_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise HostFailed(f"{host}: {what or words[0]} did not end in {PATIENCE_S} s") from error
        if done.returncode == 255:
            raise HostFailed(f"{host} cannot be reached by ssh: {_words(done.stderr)}")
        if done.returncode != 0:
            raise HostFailed(f"{host}: {_words(done.stderr) or what}")
        return done.stdout.decode(errors="replace")


def _words(data):
    return " ".join(data.decode(errors="replace").split())[-500:]
