"""Results folders of experiments that never ran: figures made up by a formula, for tests of the report.

Every text in them says "synthetic", so that no report of theirs is taken for a measurement. By hand:

    synthetic_runs.py FOLDER     writes the published set and a steady set
"""
import csv
import json
import pathlib
import random
import sys

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "geni" / "experiments"))

import analysis  # noqa: E402
import published  # noqa: E402
import table  # noqa: E402
from table import COLUMNS  # noqa: E402

PUBLISHED_SET = {
    "workers": ["3", "2", "1"], "failure": ["0.5", "0.3", "0.1"], "delay": ["500", "300", "100"],
    "loss": ["5", "10", "15"],
}
PHOTO_BYTES, RATE = 110_000, 20.0  # of a photo; photos a second of one worker


def row(experiment, setting, images, repeat, chance, /, **changes):
    """One run as runs.csv has it, {column: text}; what is in `changes` replaces what the formula says."""
    amounts = dict(part.split("=") for part in setting.split(",")) if experiment == "combined" else \
        {experiment: setting}
    workers, failure = int(amounts.get("workers", 3)), float(amounts.get("failure", 0))
    delay, loss = float(amounts.get("delay", 0)), float(amounts.get("loss", 0))
    up = workers - 0.4 * failure
    bound = images / (RATE * up) + 2 * delay / 1000 + images * PHOTO_BYTES * 8e-8 * loss / 100
    total = bound * (1.06 + 0.002 * loss + chance.gammavariate(2, 0.02))
    values = {
        "experiment": experiment, "setting": setting, "workers": workers, "failure_probability": failure or "",
        "delay_ms": delay or "", "loss_percent": loss or "", "images": images, "repeat": repeat, "seed": "synthetic",
        "started": f"2001-01-01T{repeat % 24:02}:00:00Z", "total_s": total, "image_bytes": images * PHOTO_BYTES,
        "throughput_mbit": images * PHOTO_BYTES * 8e-6 / total, "images_per_s": images / total,
        "compute_s": images / RATE, "capacity_images_per_s": RATE * workers, "worker_up_s": total * up,
        "bound_s": bound, "accepted": images, "done": images, "failed": 0, "open": 0, "doubled": 0,
        "label_mismatches": 0, "restarts": int(failure * images / 5), "resent": int(failure * images / 4),
        "duplicates_dropped": int(loss / 5), "rtt_ms": 0.4 + 2 * delay, "retransmissions": int(loss * images),
        "wire_bits_out": images * PHOTO_BYTES * 8 * (1.03 + loss / 100), "wire_bits_in": images * 9000,
        "congestion_control": "bbr", "link_rate_mbit": 100, "link_lateness_p99_ms": 0.2 + 0.1 * chance.random(),
        "link_unread": 0, "cpu_share": 0.33, "git_revision": "synthetic", "program_version": "imgrec synthetic",
        "model_digest": "synthetic", "kernel": "synthetic", **changes,
    }
    assert set(values) == set(COLUMNS), set(values) ^ set(COLUMNS)
    return values


def rows(settings=None, images=(5,), repeats=8, seed=7):
    """Rows of whole experiments, in the order in which they would have been run."""
    chance = random.Random(seed)
    return [row(experiment, setting, count, repeat, chance)
            for count in images for repeat in range(1, repeats + 1)
            for experiment, keys in (settings or PUBLISHED_SET).items() for setting in keys]


def write(folder, table, plan=None, environment=None):
    """Makes a results folder of rows."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "runs.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(COLUMNS))
        writer.writeheader()
        writer.writerows(table)
    (folder / "plan.json").write_text(json.dumps(
        plan or {"experiments": list(PUBLISHED_SET), "repeats": 8, "images": [5, 600], "seed": "synthetic"}))
    (folder / "environment.json").write_text(json.dumps(
        environment or {"machine": "synthetic", "cpu": {"model": "synthetic", "cores": 2}, "kernel": "synthetic"}))
    return folder


def read(text_rows, failures=()):
    """Results of rows, as they come through a file; `failures` beside them."""
    lines = [",".join(table.COLUMNS)]
    lines += [",".join(f'"{value}"' for value in (one[name] for name in table.COLUMNS)) for one in text_rows]
    return analysis.analyse(*table.parse("\n".join(lines) + "\n"), failures)


class Chance:
    """No chance: every synthetic run takes the same time."""

    @staticmethod
    def gammavariate(_shape, _scale):
        return 0.0

    random = staticmethod(lambda: 0.0)


def clean(images=5, repeat=1, **changes):
    return row(*published.CLEAN, images, repeat, Chance, **changes)


if __name__ == "__main__":
    write(sys.argv[1], rows({**PUBLISHED_SET, "combined": ["delay=100,loss=5", "delay=300,loss=10",
                                                           "delay=300,failure=0.3"]}, images=(5, 600)))
