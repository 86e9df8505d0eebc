"""What measured: the machine, its kernel, this program's version."""
import os
import pathlib
import platform
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[2]


def describe(bin_dir, model):
    return {
        "machine": platform.machine(), "cpu": _cpu(), "cores": len(os.sched_getaffinity(0)),
        "memory_kib": _memory_kib(), "kernel": platform.release(), "system": _system(),
        "python": platform.python_version(), "git_revision": git_revision(),
        "programs": {name: _version(bin_dir / name)
                     for name in ("imgrec-manager", "imgrec-worker", "imgrec-link")},
        "congestion_controls": _read("/proc/sys/net/ipv4/tcp_available_congestion_control"),
        "congestion_control": _read("/proc/sys/net/ipv4/tcp_congestion_control"),
        "model": str(model), "load": list(os.getloadavg()),
    }


def git_revision():
    """Of this checkout; "-dirty" where it was changed since. Empty where it is none."""
    done = subprocess.run(["git", "-C", REPO, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _version(program):
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip().split("\n")[0]


def _cpu():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return None


def _memory_kib():
    return int(pathlib.Path("/proc/meminfo").read_text().split()[1])


def _system():
    for line in (_read("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return None


def _read(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return None
