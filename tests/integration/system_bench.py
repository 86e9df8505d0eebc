#!/usr/bin/python3
"""The whole system (manager, two workers, a client, photos over HTTP) against two processes that only
decode and recognise the same photos, a thread each. Pair by pair, so that what else the machine does
falls on both; figures are medians. Also says where the processor's time went.

    IMGREC_BIN_DIR=build/release/bin IMGREC_MODEL=DIR tests/integration/system_bench.py \\
        [--pairs N] [--images N] [--workers N] [--parallel N] [--pin]

Asserts nothing but that every photo was recognised. Needs a model, the development photos
(IMGREC_SHARED) and the program engine_loop, which lies beside the tests.
"""
import argparse
import collections
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from cluster import BIN_DIR, Cluster, binary
from pictures import shared_dir


class Loops:
    """Processes that recognise photos without anything around it."""

    def __init__(self, count, model, photos):
        program = BIN_DIR.parent / "tests" / "engine_loop"
        self.processes = [
            subprocess.Popen([program, model, *photos[i::count], *photos[:i]],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for i in range(count)]
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"

    def run(self, images):
        """Images/s and processor seconds per image of all of them together."""
        start = time.monotonic()
        for process in self.processes:
            process.stdin.write(f"{images // len(self.processes)}\n")
            process.stdin.flush()
        lines = [dict(word.split("=") for word in process.stdout.readline().split())
                 for process in self.processes]
        elapsed = time.monotonic() - start
        done = sum(int(line["images"]) for line in lines)
        return done / elapsed, sum(float(line["cpu"]) for line in lines) / done

    def close(self):
        for process in self.processes:
            process.stdin.close()
            process.wait()


def run_system(cluster, files, parallel):
    """Images/s of the whole system, and processor seconds per image by who used them."""
    programs = {"manager": [cluster.manager], "workers": cluster.workers}
    before = {name: sum(p.cpu_seconds() for p in group) for name, group in programs.items()}
    start = time.monotonic()
    client = subprocess.Popen(
        [binary("imgrec"), "classify", "--server", f"http://{cluster.http_address}", "--jsonl",
         "--parallel", str(parallel), *files], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = client.stdout.read()
    _, code, usage = os.wait4(client.pid, 0)
    elapsed = time.monotonic() - start
    client.returncode = os.waitstatus_to_exitcode(code)
    states = collections.Counter(json.loads(line)["status"] for line in output.splitlines())
    assert client.returncode == 0 and states == {"recognised": len(files)}, states
    used = {name: sum(p.cpu_seconds() for p in group) - before[name]
            for name, group in programs.items()}
    used["client"] = usage.ru_utime + usage.ru_stime
    return len(files) / elapsed, {name: seconds / len(files) for name, seconds in used.items()}


def pin(pids):
    """Every thread of each process to one core."""
    for core, pid in zip(itertools.cycle(sorted(os.sched_getaffinity(0))), pids):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {core})


def link_photos(directory, photos, count):
    """`count` names for the photos, since each file of a call is an image of its own."""
    names = []
    for number, photo in zip(range(count), itertools.cycle(photos)):
        name = pathlib.Path(directory) / f"{number:06}{photo.suffix}"
        name.symlink_to(photo)
        names.append(name)
    return names


def table(title, rows):
    print(title)
    for name, value in rows:
        print(f"  {name:<28} {value}")


def report(alone, together):
    ratios = [b[0] / a[0] for a, b in zip(alone, together)]
    table("images/s, median of the pairs", [
        ("loops alone", f"{statistics.median(rate for rate, _ in alone):.2f}"),
        ("whole system", f"{statistics.median(rate for rate, _ in together):.2f}"),
        ("ratio within a pair", f"{statistics.median(ratios):.3f}  "
                                f"(worst {min(ratios):.3f}, best {max(ratios):.3f})")])
    used = {name: statistics.median(cpu[name] for _, cpu in together)
            for name in together[0][1]}
    rows = [("loops alone", f"{1000 * statistics.median(cpu for _, cpu in alone):.3f}")]
    rows += [(name, f"{1000 * seconds:.3f}") for name, seconds in used.items()]
    bound = statistics.median(a[1] / sum(b[1].values()) for a, b in zip(alone, together))
    rows.append(("ratio, loops to all three", f"{bound:.3f}  (what the ratio above can be at most "
                                              "where the cores are all busy)"))
    table("processor time per image, ms", rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000, help="of each half of a pair")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=8, help="uploads at once")
    parser.add_argument("--pin", action="store_true",
                        help="each loop and each worker to a core of its own, for a machine that is "
                             "not quiet: the system then cannot put two of them on one")
    parser.add_argument("--worker-arg", action="append", default=[], help="also for the workers")
    arguments = parser.parse_args()
    model = os.environ.get("IMGREC_MODEL")
    photos = sorted((shared_dir() / "data" / "photos").glob("*.JPEG"))
    if not model or not photos:
        print("SKIPPED: needs IMGREC_MODEL and the development photos", file=sys.stderr)
        return 77
    # On the disk that a manager would use, not in memory.
    with tempfile.TemporaryDirectory(dir=pathlib.Path.home()) as directory:
        files = link_photos(directory, photos, arguments.images)
        cluster = Cluster(directory, worker="imgrec-worker",
                          worker_args=["--model", model, "--streams", "1", *arguments.worker_arg])
        loops = Loops(arguments.workers, model, photos)
        failed = True
        try:
            cluster.start()
            cluster.add_workers(arguments.workers)
            if arguments.pin:
                pin([process.pid for process in loops.processes])
                pin([worker.pid for worker in cluster.workers])
            print(f"{arguments.workers} workers are ready", flush=True)
            alone, together = [], []
            for pair in range(arguments.pairs):
                alone.append(loops.run(arguments.images))
                together.append(run_system(cluster, files, arguments.parallel))
                print(f"pair {pair + 1}: {alone[-1][0]:.2f} and {together[-1][0]:.2f} images/s",
                      flush=True)
            report(alone, together)
            failed = False
        finally:
            loops.close()
            cluster.close(failed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
