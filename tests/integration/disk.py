"""A small disk that a test may fill, free and make read-only; strace for what a disk does at will;
and what must be true of a data directory whatever happened."""
import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess

import pytest

# What the storage asks of the disk. openat is there for files that are made.
DISK_CALLS = ("openat", "write", "pwrite64", "fsync", "fdatasync", "syncfs", "sync_file_range",
              "mkdir", "unlink", "ftruncate")


def need_strace():
    if shutil.which("strace") is None:
        pytest.skip("there is no strace: install it")
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("strace may not trace here: " + probe.stderr.decode(errors="replace").strip())


class SmallDisk:
    """A tmpfs of some megabytes, mounted below `directory`."""

    def __init__(self, directory, size="8m"):
        self.path = pathlib.Path(directory) / "disk"
        self.path.mkdir()
        self.filler = self.path / "filler"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path],
                              capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip("a disk cannot be mounted here: " + done.stderr.decode().strip())

    def fill(self):
        """To the last page."""
        with open(self.filler, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    def free(self):
        self.filler.unlink()

    def remount(self, how):
        # It works while nobody has a file open for writing.
        return subprocess.run(["mount", "-o", f"remount,{how}", self.path], capture_output=True,
                              check=False)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=False)


@pytest.fixture
def small_disk(tmp_path):
    disk = SmallDisk(tmp_path)
    yield disk
    disk.unmount()


def storage_thread(manager):
    for task in pathlib.Path(f"/proc/{manager.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "storage":
            return task.name
    raise AssertionError("the manager has no storage thread")


class Injection:
    """strace on the manager's storage thread alone: with `what` done at every call of `calls`, or
    (when=N) at the N-th of each kind."""

    def __init__(self, manager, calls, what, log):
        self.log = pathlib.Path(log)
        calls = ",".join(calls)
        self.strace = subprocess.Popen(
            ["strace", "-p", storage_thread(manager), "-o", self.log, "-e", f"trace={calls}",
             "-e", f"inject={calls}:{what}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        line = self.strace.stderr.readline()  # "strace: Process N attached"
        assert "attached" in line, line

    def end(self):
        if self.strace.poll() is None:
            self.strace.terminate()
        self.strace.wait()
        self.strace.stderr.close()
        return self.log.read_text()


def check_data_directory(data, client_images=None):
    """Of a manager that has started: a file for each row and no other, and the ledger right."""
    copy = pathlib.Path(data).parent / "database-copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in ("imgrec.db", "imgrec.db-wal"):
        if (pathlib.Path(data) / name).exists():
            shutil.copy(pathlib.Path(data) / name, copy)
    with contextlib.closing(sqlite3.connect(copy / "imgrec.db")) as database:
        rows = {row[0] for row in database.execute("SELECT id FROM images")}
        ledger = database.execute("SELECT accepted, done, failed FROM ledger").fetchone()
        open_rows = database.execute("SELECT count(*) FROM images WHERE state = 0").fetchone()[0]
    files = {f.name for f in (pathlib.Path(data) / "images").rglob("*") if f.is_file()}
    assert files == rows, (files - rows, rows - files)
    assert ledger[0] == ledger[1] + ledger[2] + open_rows, (ledger, open_rows)
    if client_images is not None:
        assert client_images <= rows
