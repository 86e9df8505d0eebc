"""A Docker engine of the tests' own, with its own folders, socket and network, so that an engine which
runs here already is neither needed nor touched, and no rule of this machine's firewall is changed.

    with DockerEngine(folder) as engine:      # folder: kept, so that the next run finds its images
        engine.docker("build", "--network", "host", ...)
    with network_of_our_own(), DockerEngine(folder, bridges=True) as engine:
        engine.docker("run", "--rm", "--publish", "127.0.0.1:8080:8080", ...)

What cannot be had (root, a program, a kernel that allows it) raises Unavailable with the reason.
"""
import contextlib
import ctypes
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

START_S = 60
CLONE_NEWNET = 0x40000000


class Unavailable(Exception):
    pass


def cache_dir():
    """Outside of the clone, so that another one finds it."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "imgrec"


@contextlib.contextmanager
def network_of_our_own():
    """This thread, and what it starts meanwhile, in a network namespace with nothing but a loopback:
    an engine makes bridges and firewall rules there that end with it. Docker's own would have this
    machine drop what it forwards for others, and theirs would have ours drop its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise Unavailable(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            libc.setns(before, CLONE_NEWNET)
    finally:
        os.close(before)


class DockerEngine:
    """Without bridges only `build` and `--network host` work, and nothing of the network changes."""

    def __init__(self, folder, bridges=False):
        self.folder = pathlib.Path(folder)
        self.network_flags = [] if bridges else ["--bridge", "none", "--iptables=false",
                                                 "--ip-forward=false", "--ip-masq=false"]
        self.process = self.lock = self.run_dir = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise Unavailable("only root can start a Docker engine")
        for program in ("dockerd", "docker", "containerd", "runc", "setpriv", "ip"):
            if not shutil.which(program):
                raise Unavailable(f"{program} is missing: ci/install-deps.sh --tests")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.folder.with_suffix(".lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # whoever else tests here: one after the other
        # Short, because it holds sockets.
        self.run_dir = pathlib.Path(tempfile.mkdtemp(prefix="imgrec-docker-"))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.run_dir:
            self._unmount()
            shutil.rmtree(self.run_dir, ignore_errors=True)
        self.lock.close()

    def _unmount(self):
        """dockerd leaves a mount behind, of the network namespace that it ran in."""
        with open("/proc/mounts", encoding="utf-8") as mounts:
            places = [line.split()[1] for line in mounts]
        for place in reversed(places):
            if place.startswith(f"{self.run_dir}/"):
                subprocess.run(["umount", "--lazy", place], check=False)

    def _start(self):
        self.host = f"unix://{self.run_dir}/docker.sock"
        self.environment = {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0",
                            "DOCKER_CONFIG": str(self.run_dir / "config")}
        log = self.folder.with_suffix(".log")
        with open(log, "wb") as output:
            # It ends with this process, whatever becomes of that.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", "dockerd", "--host", self.host,
                 "--data-root", self.folder, "--exec-root", self.run_dir / "exec",
                 "--pidfile", self.run_dir / "dockerd.pid", *self.network_flags],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + START_S
        while True:
            if self.docker("version", check=False).returncode == 0:
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise Unavailable(f"dockerd does not start here ({log}): {' '.join(last)}")
            time.sleep(0.1)

    def run(self, *command, check=True, timeout_s=120, **keywords):
        """A program that speaks with this engine; what it says is in .stdout and .stderr."""
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                              errors="replace", timeout=timeout_s, stdin=subprocess.DEVNULL,
                              env={**self.environment, **keywords.pop("env", {})}, **keywords)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n"
                                 f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def docker(self, *arguments, **keywords):
        return self.run("docker", *arguments, **keywords)

    def out(self, *arguments, **keywords):
        return self.docker(*arguments, **keywords).stdout.strip()

    def inspect(self, thing, template):
        return self.out("inspect", "--format", template, thing)

    def compose(self):
        """The command that this machine has for compose files."""
        if self.docker("compose", "version", check=False).returncode == 0:
            return ["docker", "compose"]
        if shutil.which("docker-compose"):
            return ["docker-compose"]
        raise Unavailable("neither docker compose nor docker-compose is here")
