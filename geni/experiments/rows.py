"""runs.csv: the raw data, one row a run, whole or not there at all.

    table = Table(folder / "runs.csv", COLUMNS)   # made, or continued after an interruption
    table.append({"experiment": "delay", ...})
    table.rows                                    # of before and now, as texts
"""
import csv
import io
import os
import pathlib

COLUMNS = (
    "experiment", "setting", "workers", "failure_probability", "delay_ms", "loss_percent", "images",
    "repeat", "seed", "started", "total_s", "image_bytes", "throughput_mbit", "images_per_s",
    "compute_s", "capacity_images_per_s", "worker_up_s", "bound_s", "accepted", "done", "failed", "open",
    "doubled", "label_mismatches", "restarts", "resent", "duplicates_dropped", "rtt_ms",
    "retransmissions", "wire_bits_out", "wire_bits_in", "congestion_control", "link_rate_mbit",
    "link_lateness_p99_ms", "link_unread", "cpu_share", "git_revision", "program_version",
    "model_digest", "kernel")
# `kind`: "trouble" (measured again) or "violation" of what imgrec promises (kept, in runs.csv too).
FAILED_COLUMNS = ("experiment", "setting", "images", "repeat", "attempt", "at", "error", "kind")


class BadTable(ValueError):
    """The file is none of ours, in words for people."""


class Table:
    """Appends rows, each in one write that is on the disk before append() returns, or not there at all
    where append() raises. What an interrupted program left of a row is cut off when the table is opened
    again."""

    def __init__(self, path, columns=COLUMNS):
        self.path, self.columns = pathlib.Path(path), columns
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self.rows = self._read()
        except BaseException:
            self.close()
            raise

    def append(self, values):
        row = {name: _text(values.get(name)) for name in self.columns}
        unknown = values.keys() - row.keys()
        if unknown:
            raise KeyError(f"{sorted(unknown)} are no columns of {self.path.name}")
        self._write(row.values())
        self.rows.append(row)

    def close(self):
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _read(self):
        text = self.path.read_bytes()
        whole = text[:text.rfind(b"\n") + 1]  # no field of ours holds a line's end
        if len(whole) != len(text):
            os.ftruncate(self._file, len(whole))
        lines = list(csv.reader(io.StringIO(whole.decode())))
        if not lines:
            self._write(self.columns)
            return []
        if tuple(lines[0]) != tuple(self.columns) or any(len(line) != len(lines[0]) for line in lines):
            raise BadTable(f"{self.path} has other columns than this version writes: begin anew in "
                           "another folder")
        return [dict(zip(self.columns, line)) for line in lines[1:]]

    def _write(self, fields):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(str(f).replace("\n", " ") for f in fields)
        data = line.getvalue().encode()
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, data) != len(data):
                raise OSError(f"{self.path}: the disk took only a part of a row")
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)  # or the next row would be glued to it
            raise


def _text(value):
    if value is None:
        return ""
    return format(value, ".6g") if isinstance(value, float) else str(value)


def identity_of(row):
    """As plan.Run.identity, of a row."""
    return row["experiment"], row["setting"], int(row["images"]), int(row["repeat"])
