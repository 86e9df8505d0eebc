"""Shares of CPU for processes of ours: a control group each, with a quota of the kernel's scheduler.

    shares = CpuShares("imgrec-experiments-123")
    command = shares.limited("worker-1", 0.5, command)   # half a core, in periods of 5 ms
    CpuShares("imgrec-experiments-123").remove()          # when none of its processes is left

Version 1 and 2 of control groups. Groups are below the caller's own in version 1, at the top of what is
mounted in version 2, where a group with processes in it may have none below.
"""
import contextlib
import math
import os
import pathlib

PERIOD_US = 5_000
LEAST_QUOTA_US = 1_000  # that the kernel takes
MOUNT = pathlib.Path("/sys/fs/cgroup")


def period_us(cores):
    """Short, so that what an idle group may save up is little beside a photo's service."""
    return max(PERIOD_US, math.ceil(LEAST_QUOTA_US / cores))


def head_start_s(cores):
    """By how much less than `work / cores` a group that was idle may take, at most, however much it has to
    do: its quota is unused, is used at once on a whole core, and is there again when the period ends,
    which may be right then. The kernel goes on counting periods while a group is idle, so that a run begins
    anywhere in one."""
    return 2 * period_us(cores) / 1e6 * max(0.0, 1 - cores)


class NoCpuShares(Exception):
    """Why this machine has none, for people."""


class CpuShares:
    def __init__(self, name, mount=MOUNT, own=None):
        """`own`: the text of /proc/self/cgroup, for tests."""
        own = own if own is not None else pathlib.Path("/proc/self/cgroup").read_text()
        self._version, parent = _parent(pathlib.Path(mount), own)
        self.folder = parent / name

    def limited(self, group, cores, command):
        """`command`, to be run in that group; the group is made, or given another quota."""
        folder = self.folder / group
        try:
            if self._version == 2:
                _delegate(self.folder.parent)
                self.folder.mkdir(exist_ok=True)
                _delegate(self.folder)
            folder.mkdir(parents=True, exist_ok=True)
            period = period_us(cores)
            quota = round(cores * period)
            if self._version == 2:
                (folder / "cpu.max").write_text(f"{quota} {period}\n")
            else:
                (folder / "cpu.cfs_period_us").write_text(f"{period}\n")
                (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        except OSError as error:
            raise NoCpuShares(f"the control group {folder} cannot be had: {error}") from error
        return ["sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(folder), *command]

    def remove(self):
        """REQUIRES: none of its processes is left."""
        for folder, _, _ in os.walk(self.folder, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _parent(mount, own):
    for line in own.splitlines():
        number, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            for folder in (mount / controllers, mount / "cpu"):
                here = folder / path.strip("/")
                if (here / "cpu.cfs_quota_us").exists() or (here / "cgroup.procs").exists():
                    return 1, here
    for folder in (mount, mount / "unified"):
        controllers = folder / "cgroup.controllers"
        if controllers.exists() and "cpu" in controllers.read_text().split():
            return 2, folder
    raise NoCpuShares("no control groups with the cpu controller are mounted at /sys/fs/cgroup")


def _delegate(folder):
    """Lets groups below `folder` have quotas."""
    control = folder / "cgroup.subtree_control"
    if "cpu" not in control.read_text().split():
        control.write_text("+cpu")
