#!/usr/bin/env python3
"""Runs a command where a testbed seems to be: a manager's machine, and N workers' machines, each on a
link of its own to the manager's, as geni/rspec.py asks for. All of it is on this machine.

    sudo geni/lab/lab.py --workers 3 -- geni/cluster.sh up --hosts '{hosts}' --ssh-config '{ssh}'
    sudo geni/lab/lab.py --workers 3 -- bash

The command is the experimenter: it runs in a network namespace that reaches the machines' sshd, by the
names manager, worker-1, ... of the ssh configuration {ssh}. {hosts} is the hosts file. Both words are
replaced in the command's arguments, and are its variables IMGREC_LAB_HOSTS and IMGREC_LAB_SSH_CONFIG;
IMGREC_LAB is the folder of either. When the command ends, the machines are gone, with all they wrote.

Machines are bare: debian12 or ubuntu22 as debootstrap makes it, systemd, sshd and sudo. --layer FILE
gives the workers' machines the packages that FILE lists, installed beforehand, and once for all.

Needs root, systemd-nspawn (Debian's systemd-container) and debootstrap. The bare systems and the
packages that were fetched are kept in ~/.cache/imgrec/geni-lab.

Exit code: the command's; 2 wrong usage, 3 this machine cannot do it, and the reason is printed.
"""
import argparse
import fcntl
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import isolate  # noqa: E402
import machines  # noqa: E402
import packages  # noqa: E402
from network import EXPERIMENTER, Network  # noqa: E402
from star import MANAGER, Star, hosts_file  # noqa: E402



def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, default=3, metavar="N")
    parser.add_argument("--system", choices=["debian12", "ubuntu22"], default="debian12")
    parser.add_argument("--layer", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="say whether this machine can, and stop")
    parser.add_argument("--inside", nargs=2, metavar=("FOLDER", "ROOT"), help=argparse.SUPPRESS)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    options = parser.parse_args(arguments)
    if options.command[:1] == ["--"]:
        options.command = options.command[1:]
    if not options.command and not options.check:
        parser.error("there is no command to run")
    try:
        Star(options.workers)
    except ValueError as error:
        parser.error(str(error))
    return options


def reason_against():
    for program, package in (("systemd-nspawn", "systemd-container"), ("debootstrap", "debootstrap"),
                             ("ip", "iproute2"), ("ssh", "openssh-client")):
        if not shutil.which(program):
            return f"{program} is missing: apt-get install {package}"
    if not machines.can_have_cgroups():
        return "this process's control groups cannot be written to: /sys/fs/cgroup is not mounted here"
    return isolate.reason_against() or overlay_reason()


def overlay_reason():
    """Overlays want a file system below that can carry them, which another overlay cannot."""
    machines.cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=machines.cache_folder()) as folder:
        script = 'cd "$0" && mkdir l u w m && mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m'
        done = subprocess.run([*isolate.UNSHARE, "sh", "-c", script, folder],
                              capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"overlays cannot be mounted here: {done.stderr.strip()}"


# ---- outside: the machine's own namespaces ---------------------------------------------------------

def outside(options, arguments):
    reason = reason_against()
    if reason:
        say(reason)
        return 3
    if options.check:
        return 0
    system = machines.find_system(options.system)
    root = machines.bare_root(system, say)
    remove_leftovers()
    runs = machines.cache_folder() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=runs))
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The machine is told by its name in the lab which groups are its own.
        cgroups = machines.Cgroups(f"imgrec-lab-{folder.name}")
        try:
            return run_inside(folder, root, system, arguments)
        finally:
            cgroups.remove()
            shutil.rmtree(folder, ignore_errors=True)


def run_inside(folder, root, system, arguments):
    ours, theirs = socket.socketpair()
    threading.Thread(target=serve_packages, args=(ours, system), daemon=True).start()
    os.set_inheritable(theirs.fileno(), True)
    os.environ["IMGREC_LAB_SOCKET"] = str(theirs.fileno())
    inner = [sys.executable, "-B", __file__, "--inside", str(folder), str(root), *arguments]
    return isolate.run(inner, pass_fds=(theirs.fileno(),))


def serve_packages(ours, system):
    """Takes the listening socket of the lab's network, which this process is not in, and serves on it
    from here, where the mirrors are."""
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    if not descriptors:
        return
    with packages.Server(socket.socket(fileno=descriptors[0]), system.mirrors,
                         machines.cache_folder() / "mirror") as server:
        server.serve_forever()


def remove_leftovers():
    """What a run left that was killed: its folder, which nobody locks any more, and its groups."""
    for folder in (machines.cache_folder() / "runs").glob("*"):
        try:
            with open(folder / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                machines.Cgroups(f"imgrec-lab-{folder.name}").remove()
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


# ---- inside: namespaces of our own -----------------------------------------------------------------

def inside(options):
    folder, root = map(pathlib.Path, options.inside)
    network = Network(Star(options.workers))
    network.start()
    hand_out_proxy_socket()
    layers = [root]
    if options.layer:
        wanted = options.layer.read_text().split()
        layers = [machines.packages_layer(root, wanted, say), root]
    key = make_key(folder)
    cgroups = machines.Cgroups(f"imgrec-lab-{folder.name}")
    started = []
    for node in network.star.nodes:
        machine = machines.Machine(node, network, [root] if node == MANAGER else layers,
                                   folder / node, key)
        machine.start(cgroups)
        started.append(machine)
    for machine in started:
        machine.wait_for_ssh()
    say(f"{len(started)} machines are up: {', '.join(network.star.nodes)}")
    return run_command(options.command, folder, network, started)


def hand_out_proxy_socket():
    listening = socket.create_server((EXPERIMENTER, machines.PROXY_PORT), backlog=64)
    with socket.socket(fileno=int(os.environ.pop("IMGREC_LAB_SOCKET"))) as theirs:
        socket.send_fds(theirs, [b"."], [listening.fileno()])
    listening.close()


def make_key(folder):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", folder / "key"],
                   check=True, stdin=subprocess.DEVNULL)
    return (folder / "key.pub").read_text()


def run_command(command, folder, network, started):
    config, hosts = folder / "ssh_config", folder / "hosts.yaml"
    (folder / "known_hosts").write_text("".join(f"{m.address} {m.host_key}" for m in started))
    blocks = [f"Host {m.node}\n  HostName {m.address}\n" for m in started]
    blocks.append(f"Host *\n  User {machines.USER}\n  IdentityFile {folder / 'key'}\n  IdentitiesOnly yes\n"
                  f"  UserKnownHostsFile {folder / 'known_hosts'}\n  StrictHostKeyChecking yes\n")
    config.write_text("".join(blocks))
    hosts.write_text(hosts_file(network.star, str))
    command = [a.replace("{hosts}", str(hosts)).replace("{ssh}", str(config)) for a in command]
    environment = dict(os.environ, IMGREC_LAB=str(folder), IMGREC_LAB_HOSTS=str(hosts),
                       IMGREC_LAB_SSH_CONFIG=str(config))
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        say(f"{command[0]} cannot be run: {error.strerror}")
        return 2


def main(arguments):
    options = parse_arguments(arguments)
    try:
        return inside(options) if options.inside else outside(options, arguments)
    except (machines.CannotMake, RuntimeError, OSError, subprocess.CalledProcessError) as error:
        say(str(error))
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
