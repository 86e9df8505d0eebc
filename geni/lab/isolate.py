"""Runs a program in namespaces of its own, so that nothing of it can be left behind.

    code = isolate.run([sys.executable, __file__, "--inside", ...], pass_fds=(...))

The program and all that it starts have a process, mount, network, UTS and IPC namespace of their own:
its mounts and networks are seen by nobody else, and when it ends, or this process does, by whatever
signal, the kernel ends every process in it, and with them the mounts and the networks. Needs root.
"""
import os
import pathlib
import select
import signal
import subprocess

from network import die_with_parent

UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--net", "--uts",
           "--ipc", "--propagation", "private", "--"]
END_S = 30  # longest wait for processes that were killed


def run(command, **keywords):
    """The exit code of `command`; 128 + the signal, where SIGINT, SIGTERM or SIGHUP ended the wait. When
    it returns, nothing of the command is left."""
    received = []

    def stop(number, _frame):
        received.append(number)
        _end(program)

    program = subprocess.Popen(UNSHARE + command, preexec_fn=die_with_parent, **keywords)
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        code = program.wait()
    finally:
        _end(program)
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 + received[0] if received else code


def _end(program):
    """Ends unshare, and waits for the namespace's process 1: that is gone only after all the others."""
    if program.returncode is not None:
        return
    children = pathlib.Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    first = [os.pidfd_open(int(child)) for child in children]
    program.kill()
    for descriptor in first:
        select.select([descriptor], [], [], END_S)
        os.close(descriptor)


def reason_against():
    """Why this machine cannot do it, or None."""
    if os.geteuid() != 0:
        return "only root can make network namespaces and mounts"
    done = subprocess.run(UNSHARE + ["true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"namespaces cannot be made here: {done.stderr.strip()}"
    return None
