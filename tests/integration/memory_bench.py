#!/usr/bin/python3
"""Does a worker's memory stay as it is, whatever is uploaded? Sends photos of many sizes and kinds
through a manager to one worker and prints the memory of both as they go. Asserts nothing but that
every photo was recognised.

    IMGREC_BIN_DIR=build/release/bin IMGREC_MODEL=DIR tests/integration/memory_bench.py \\
        [--photos N] [--sizes N] [--every N] [--streams N]

The photos are made here by make_pictures, which lies beside the unit tests, and are sent round and
round. Each is deleted at the manager when its result is there, so that the disk does not fill up.
"""
import argparse
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from cluster import Cluster, binary
from pictures import of_many_sizes


def recognise(cluster, files):
    """Sends them all; fails where one of them was not recognised. Returns the seconds it took."""
    start = time.monotonic()
    result = subprocess.run(
        [binary("imgrec"), "classify", "--server", f"http://{cluster.http_address}", "--delete",
         "--parallel", "4", "--csv", "--top", "1", *files], capture_output=True, text=True)
    assert result.returncode == 0, (result.stderr, cluster.workers[-1].tail())
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--sizes", type=int, default=2_000)
    parser.add_argument("--every", type=int, default=2_000, help="photos from print to print")
    parser.add_argument("--streams", type=int, default=1)
    arguments = parser.parse_args()
    model = os.environ.get("IMGREC_MODEL")
    if not model:
        print("SKIPPED: needs IMGREC_MODEL", file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory(dir=pathlib.Path.home()) as directory:
        photos = itertools.cycle(of_many_sizes(pathlib.Path(directory) / "photos", arguments.sizes))
        cluster = Cluster(directory, worker="imgrec-worker", worker_args=[
            "--model", model, "--streams", str(arguments.streams)])
        failed = True
        try:
            cluster.start()
            worker = cluster.add_workers(1)[0]
            print("photos   worker MiB  manager MiB  page faults/photo  photos/s")
            print(f"{0:6}   {worker.resident_kib() / 1024:10.1f}  "
                  f"{cluster.manager.resident_kib() / 1024:11.1f}", flush=True)
            for done in range(0, arguments.photos, arguments.every):
                count = min(arguments.every, arguments.photos - done)
                faults = worker.page_faults()
                seconds = recognise(cluster, list(itertools.islice(photos, count)))
                print(f"{done + count:6}   {worker.resident_kib() / 1024:10.1f}  "
                      f"{cluster.manager.resident_kib() / 1024:11.1f}  "
                      f"{(worker.page_faults() - faults) / count:17.0f}  {count / seconds:8.1f}",
                      flush=True)
            failed = False
        finally:
            cluster.close(failed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
