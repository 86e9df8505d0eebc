"""What a change of model costs the photos in hand: images/s and how long they took, before, while
every worker changes at once, and after. Needs IMGREC_MODEL and IMGREC_SHARED.

    IMGREC_BIN_DIR=build/release/bin IMGREC_MODEL=DIR IMGREC_SHARED=DIR \\
      /usr/bin/python3 tests/integration/reload_bench.py
"""
import os
import pathlib
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from cluster import Cluster, wait_until  # noqa: E402
from pictures import shared_dir  # noqa: E402
from test_reload import Load, use, versions_of  # noqa: E402

WORKERS = 2
SECONDS = 8  # before and after


def measured(load, name, until):
    """Prints the rate and the times of what is answered until until() is true."""
    first, began = load.answered(), time.monotonic()
    wait_until(until, name)
    took = time.monotonic() - began
    events = load.seen.seen[first:]
    times = sorted(e["image"]["timing_ms"]["total"] - e["image"]["timing_ms"]["queue"]
                   for e in events)
    p99 = times[int(len(times) * 0.99)]
    print(f"{name:7} {took:5.1f} s {len(events) / took:6.1f} images/s; without the queue "
          f"{statistics.median(times):5.0f} ms in the middle, {p99:5.0f} at most of 99 %")


def main():
    photos = [(f.name, f.read_bytes())
              for f in sorted((shared_dir() / "data" / "photos").glob("*.JPEG"))]
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        versions_of(os.environ["IMGREC_MODEL"], directory)
        use(directory, "googlenet-1")
        cluster = Cluster(directory, worker="imgrec-worker",
                          worker_args=["--model", directory / "current"])
        cluster.start()
        workers = cluster.add_workers(WORKERS)
        load = Load(cluster.client, ahead=60, files=photos)
        load.wait_answered(30)

        def after(seconds):
            end = time.monotonic() + seconds
            return lambda: time.monotonic() >= end

        measured(load, "before", after(SECONDS))
        use(directory, "googlenet-2")
        for worker in workers:
            worker.signal(signal.SIGHUP)
        measured(load, "during", lambda: all("model_unloaded" in w.log() for w in workers))
        measured(load, "after", after(SECONDS))
        images = load.finish()
        print(f"{len(images)} photos, none failed, {WORKERS} workers")
        cluster.close()


if __name__ == "__main__":
    main()
