"""geni/lab/lab.py: little virtual machines on a link each, of which nothing is left, however it ends."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from cluster import REPO, wait_until

LAB = REPO / "geni" / "lab" / "lab.py"


def lab(*arguments):
    return [sys.executable, "-B", str(LAB), *map(str, arguments)]


@pytest.fixture(scope="module", autouse=True)
def possible():
    done = subprocess.run(lab("--check"), capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())


def processes_of(folder):
    """Processes that name the run's folder, which all that it starts does: machines by their disk."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def groups_of(folder):
    name = f"imgrec-lab-{folder.name}"
    return list(pathlib.Path("/sys/fs/cgroup").rglob(name))


def start_and_wait(tmp_path):
    """A lab whose command waits; (its process, its folder)."""
    ready = tmp_path / "ready"
    command = f'echo "$IMGREC_LAB" >{ready}.new; mv {ready}.new {ready}; exec sleep 600'
    process = subprocess.Popen(lab("--workers", 1, "--", "sh", "-c", command), stdin=subprocess.DEVNULL)
    wait_until(lambda: ready.exists() or process.poll() is not None, "the lab's command to run", 600)
    assert process.poll() is None, f"the lab ended with {process.returncode}"
    return process, pathlib.Path(ready.read_text().strip())


def test_the_command_reaches_the_machines_and_its_exit_code_comes_back():
    script = ('on="ssh -F $IMGREC_LAB_SSH_CONFIG worker-2"; '
              '$on "hostname; cat /proc/1/comm; ping -c1 -W2 -q 10.10.2.1" && '
              '$on "! ping -c1 -W1 -q 10.10.1.1" && exit 7')
    done = subprocess.run(lab("--workers", 2, "--", "sh", "-c", script),
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines()[:2] == ["worker-2", "systemd"]
    assert " 1 received" in done.stdout, "its own link reaches the manager"


def test_ended_by_a_signal_it_leaves_nothing(tmp_path):
    process, folder = start_and_wait(tmp_path)
    assert len(processes_of(folder)) >= 2 and groups_of(folder)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert not processes_of(folder) and not groups_of(folder) and not folder.exists()
    assert "imgrec-lab" not in pathlib.Path("/proc/self/mounts").read_text()


def test_killed_it_leaves_only_files_and_the_next_run_removes_them(tmp_path):
    process, folder = start_and_wait(tmp_path)
    process.kill()
    process.wait(timeout=60)
    wait_until(lambda: not processes_of(folder), "its processes to end", 30)
    assert "imgrec-lab" not in pathlib.Path("/proc/self/mounts").read_text()
    done = subprocess.run(lab("--workers", 1, "--", "true"), timeout=600)
    assert done.returncode == 0
    assert not folder.exists() and not groups_of(folder)


def test_wrong_usage_is_said():
    for arguments, word in ((["--workers", "0", "--", "true"], "from 1 to 254"), ([], "no command"),
                            (["--workers", "1", "--", "/nonexistent"], "cannot be run")):
        done = subprocess.run(lab(*arguments), capture_output=True, text=True, timeout=600)
        assert done.returncode == 2 and word in done.stderr, done.stderr


def test_it_says_what_a_machine_lacks(tmp_path):
    (tmp_path / "ip").symlink_to("/bin/true")
    done = subprocess.run(lab("--check"), capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 3 and "apt-get install systemd-container" in done.stderr


NETWORK_ALONE = """
import subprocess, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/lab"]
from network import Network
from star import Star
REACHED = "import errno, socket, sys; print(socket.socket().connect_ex((sys.argv[1], 9)) == errno.ECONNREFUSED)"
network = Network(Star(2), control=False)
network.start()
def reaches(node, address):
    done = subprocess.run(network.inside(node, [sys.executable, "-c", REACHED, address]), capture_output=True)
    return done.stdout == b"True\\n"
for link in network.star.links:
    assert reaches(link.worker, link.manager_address) and reaches("manager", link.worker_address)
assert not reaches("worker-1", "10.10.2.1")
network.close()
"""


def test_the_network_is_there_without_machines_too():
    """As experiments use it, whose manager and workers need no more than their links."""
    run = "import sys; sys.path.insert(0, sys.argv[1]); import isolate; sys.exit(isolate.run(sys.argv[2:]))"
    done = subprocess.run([sys.executable, "-B", "-c", run, LAB.parent, sys.executable, "-B", "-c",
                           NETWORK_ALONE, LAB.parents[1]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
