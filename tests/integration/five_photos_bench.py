#!/usr/bin/python3
"""Five photos on three real workers: from the upload to the last result on the WebSocket.

Usage: IMGREC_BIN_DIR=build/release/bin IMGREC_MODEL=DIR five_photos_bench.py [RUNS]
Prints one line a run, then the median; asserts no time. Needs the development photos
(IMGREC_SHARED, default ../shared beside the checkout).
"""
import os
import statistics
import sys
import tempfile
import time

from cluster import Client, Cluster
from pictures import shared_dir


def measure(cluster, files):
    """Seconds from the first byte of the upload to the last result read."""
    client = Client(cluster)
    socket = client.socket()
    start = time.perf_counter()
    ids = client.upload(files)
    accepted = time.perf_counter()
    events = socket.read_images(len(files))
    end = time.perf_counter()
    assert sorted(e["image"]["id"] for e in events) == sorted(ids)
    assert all(e["image"]["state"] == "done" for e in events), events
    socket.close()
    return end - start, accepted - start, [e["image"]["timing_ms"] for e in events]


def main():
    if "--help" in sys.argv:
        print(__doc__)
        return 0
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    model = os.environ.get("IMGREC_MODEL")
    paths = sorted((shared_dir() / "data" / "photos").glob("*.JPEG"))
    if not model or len(paths) < 5:
        print("SKIPPED: needs IMGREC_MODEL and the development photos", file=sys.stderr)
        return 77
    files = [(p.name, p.read_bytes()) for p in paths[:5]]
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(directory, worker="imgrec-worker", worker_args=["--model", model])
        cluster.start()
        failed = True
        try:
            cluster.add_workers(3)
            times = []
            for run in range(runs):
                total, accepted, timings = measure(cluster, files)
                times.append(total)
                inference = statistics.median(t["inference"] for t in timings)
                print(f"run {run + 1:2}: {1000 * total:7.1f} ms, accepted after "
                      f"{1000 * accepted:6.1f} ms, median inference {inference:.1f} ms")
            print(f"{len(files)} photos, 3 workers, {os.cpu_count()} cores, {runs} runs: median "
                  f"{1000 * statistics.median(times):.1f} ms, best {1000 * min(times):.1f}, "
                  f"worst {1000 * max(times):.1f}")
            failed = False
        finally:
            cluster.close(failed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
