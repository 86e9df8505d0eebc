"""Little virtual machines: a Debian (or Ubuntu) of its own each, with systemd as its process 1, sshd,
and a node's network. What a testbed gives, as far as the scripts that set imgrec up can tell.

A machine's disk is an overlay: below, a bare system that debootstrap made once and that is kept in a
folder; on top, what the machine writes, which is thrown away. systemd-nspawn starts it in the caller's
own process and mount namespaces (isolate.py), so that it cannot outlive the caller.

REQUIRES: root, and to be called in namespaces of its own. One thread.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import time

from network import EXPERIMENTER, die_with_parent
from packages import mirror_of

PROXY_PORT = 3142
USER = "geni"        # may become root by sudo without a password, as on testbeds
PLAIN_USER = "plain"  # may not
BOOT_S = 90
# What a cloud's image of a system has at the least.
MINIMUM = ["systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2", "iputils-ping",
           "ca-certificates"]
RECIPE = 3  # to be raised when _finish or MINIMUM changes


class CannotMake(Exception):
    """Why there is no such machine, for people."""


class System:
    """One kind of system that machines can have, and the mirrors that they may use."""

    def __init__(self, name, suite, mirror, sources, options=(), more_mirrors=()):
        self.name, self.suite, self.mirror = name, suite, mirror
        self.sources, self.options = sources, list(options)
        self.mirrors = [*(line.split()[1] for line in sources), *more_mirrors]


def find_system(name):
    if name == "debian12":
        mirror = os.environ.get("IMGREC_MIRROR") or mirror_of("bookworm")
        security = os.environ.get("IMGREC_SECURITY_MIRROR") or mirror_of("bookworm-security")
        if not mirror or not security:
            raise CannotMake("apt here knows no bookworm mirror: set IMGREC_MIRROR and "
                             "IMGREC_SECURITY_MIRROR")
        return System(name, "bookworm", mirror,
                      [f"deb {mirror} bookworm main", f"deb {mirror} bookworm-updates main",
                       f"deb {security} bookworm-security main"])
    if name == "ubuntu22":
        # Debian has no package with Ubuntu's keys: nothing of this system is to be trusted beyond a lab.
        mirror = os.environ.get("IMGREC_UBUNTU_MIRROR", "http://archive.ubuntu.com/ubuntu")
        return System(name, "jammy", mirror,
                      [f"deb {mirror} jammy main universe", f"deb {mirror} jammy-updates main universe"],
                      ["--no-check-gpg", "--components=main,universe"],
                      more_mirrors=find_system("debian12").mirrors)
    raise CannotMake(f"there is no system called {name!r}: debian12 or ubuntu22")


def cache_folder():
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "imgrec" / "geni-lab"


@contextlib.contextmanager
def locked(path):
    """One at a time, also among processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def hold(folder):
    """Keeps a kept folder from being removed by another run, until this process ends."""
    descriptor = os.open(f"{folder}.in-use", os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return folder


def _remove_older(pattern, kept):
    """What an older recipe or list of packages made takes a GB; whoever uses it holds it."""
    for folder in cache_folder().glob(pattern):
        if folder == kept or folder.suffix or not folder.is_dir():
            continue
        with open(f"{folder}.in-use", "w") as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            os.unlink(file.name)


def bare_root(system, say):
    """The folder of the bare system; made by debootstrap where there is none yet (a minute or two)."""
    recipe = json.dumps([RECIPE, system.suite, system.sources, MINIMUM])
    folder = cache_folder() / f"{system.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with locked(cache_folder() / "lock"):
        if folder.is_dir():
            return hold(folder)
        if not shutil.which("debootstrap"):
            raise CannotMake("debootstrap is missing: apt-get install debootstrap")
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        say(f"making a bare {system.name} in {folder} (once)")
        log = cache_folder() / "debootstrap.log"
        with open(log, "w") as out:
            done = subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={','.join(MINIMUM)}", *system.options,
                 system.suite, partial, system.mirror],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
        if done.returncode != 0:
            raise CannotMake(f"debootstrap failed; its words are in {log}")
        _finish(partial, system)
        partial.rename(folder)
        _remove_older(f"{system.name}-*", folder)
        return hold(folder)


def _finish(root, system):
    """What a testbed's image has beyond its packages: accounts, and where packages come from."""
    (root / "etc/apt/sources.list").write_text("\n".join(system.sources) + "\n")
    proxy = f'Acquire::http::Proxy "http://{EXPERIMENTER}:{PROXY_PORT}";\n'
    (root / "etc/apt/apt.conf.d/01lab").write_text(proxy)
    for user in (USER, PLAIN_USER):
        subprocess.run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", user], check=True)
    (root / "etc/sudoers.d/lab").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        (root / "etc/systemd/system" / timer).symlink_to("/dev/null")
    for archive in (root / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()


def packages_layer(base, packages, say):
    """A folder to lay over `base`: what `apt-get install packages` writes. Made once. REQUIRES: the
    proxy serves."""
    name = hashlib.sha256("\n".join([base.name, *sorted(packages)]).encode()).hexdigest()[:12]
    folder = cache_folder() / f"{base.name}-packages-{name}"
    with locked(cache_folder() / "lock-packages"):
        if folder.is_dir():
            return hold(folder)
        say(f"installing {len(packages)} packages into {folder} (once)")
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        disk = Overlay(partial.with_suffix(".work"), [base], upper=partial)
        script = ("export DEBIAN_FRONTEND=noninteractive; apt-get -q update && "
                  'apt-get -q -y --no-install-recommends install "$@" && apt-get clean')
        log = cache_folder() / "packages.log"
        try:
            with open(log, "w") as out:
                done = subprocess.run(["chroot", disk.root, "sh", "-c", script, "sh", *packages],
                                      stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
        finally:
            disk.unmount()
            shutil.rmtree(partial.with_suffix(".work"), ignore_errors=True)
        if done.returncode != 0:
            raise CannotMake(f"apt-get failed; its words are in {log}")
        partial.rename(folder)
        _remove_older(f"{base.name}-packages-*", folder)
        return hold(folder)


class Overlay:
    """A mounted disk: `layers`, the first on top, never written to; over them `upper`."""

    def __init__(self, folder, layers, upper=None):
        folder = pathlib.Path(folder)
        self.root = folder / "root"
        upper = upper or folder / "upper"
        for path in (self.root, upper, folder / "work"):
            path.mkdir(parents=True, exist_ok=True)
        lower = ":".join(map(str, layers))
        subprocess.run(["mount", "-t", "overlay", "imgrec-lab", "-o",
                        f"lowerdir={lower},upperdir={upper},workdir={folder / 'work'}", self.root],
                       check=True)

    def unmount(self):
        subprocess.run(["umount", self.root], check=True)


class Cgroups:
    """A place in the machine's control groups for one run: systemd-nspawn has its machine's processes
    beside its own, and wants nobody else there."""

    def __init__(self, name):
        self.folders = [folder / name for folder in _own_cgroups()]

    def of(self, machine):
        folders = [folder / machine for folder in self.folders]
        for folder in folders:
            folder.mkdir(parents=True)
        return folders

    def remove(self):
        """REQUIRES: no process is left in them."""
        for top in self.folders:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


def _own_cgroups():
    """The folders of this process's group that systemd uses: version 2, and its own of version 1."""
    found = []
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        number, controller, path = line.split(":", 2)
        if number == "0":
            mounts = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
        elif controller == "name=systemd":
            mounts = ("/sys/fs/cgroup/systemd",)
        else:
            continue
        for mount in mounts:
            folder = pathlib.Path(mount) / path.strip("/")
            if (folder / "cgroup.procs").is_file():
                found.append(folder)
                break
    return found


def can_have_cgroups():
    found = _own_cgroups()
    return bool(found) and all(os.access(folder, os.W_OK) for folder in found)


class Machine:
    """One machine; it boots when started. Owns its process."""

    def __init__(self, node, network, layers, folder, public_key):
        self.node, self.network = node, network
        self.folder = pathlib.Path(folder)
        self.disk = Overlay(self.folder, layers)
        self.host_key = self._personalise(public_key)
        self._process = None

    @property
    def address(self):
        return self.network.control_address(self.node)

    def start(self, cgroups):
        folders = cgroups.of(self.node)

        def enter():
            die_with_parent()
            for folder in folders:
                (folder / "cgroup.procs").write_text("0")

        with open(self.folder / "console.log", "ab") as log:
            self._process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--console=pipe",
                 f"--directory={self.disk.root}", f"--machine={self.node}", f"--hostname={self.node}",
                 f"--network-namespace-path={self.network.namespace(self.node)}", "--resolv-conf=off",
                 "--timezone=off", "--link-journal=no", "--capability=CAP_NET_ADMIN"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=enter)

    def wait_for_ssh(self):
        deadline = time.monotonic() + BOOT_S
        while True:
            if self._process.poll() is not None:
                words = (self.folder / "console.log").read_text(errors="replace")[-2000:]
                raise CannotMake(f"{self.node} did not boot (exit code {self._process.returncode}):\n{words}")
            with contextlib.suppress(OSError), socket.create_connection((self.address, 22), timeout=1) as s:
                s.settimeout(5)
                if s.recv(4) == b"SSH-":
                    return
            if time.monotonic() > deadline:
                raise CannotMake(f"{self.node} does not answer at {self.address} port 22 after {BOOT_S} s")
            time.sleep(0.1)

    def _personalise(self, public_key):
        root = self.disk.root
        (root / "etc/machine-id").write_text(secrets.token_hex(16) + "\n")
        (root / "etc/hostname").write_text(self.node + "\n")
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.node}\n")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.node, "-f",
                        root / "etc/ssh/ssh_host_ed25519_key"], check=True, stdin=subprocess.DEVNULL)
        for user in (USER, PLAIN_USER):
            home = root / "home" / user
            owner = home.stat()
            (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
            (home / ".ssh/authorized_keys").write_text(public_key)
            for path in (home / ".ssh", home / ".ssh/authorized_keys"):
                os.chown(path, owner.st_uid, owner.st_gid)
        return (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
