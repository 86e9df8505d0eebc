#!/usr/bin/python3
"""What one slow worker costs: uploads of 200 images on three good workers and one that is ten times
slower, against the three good ones alone.

Usage: IMGREC_BIN_DIR=build/release/bin tail_bench.py [--pairs N] [--images N] [--delay-ms N]
       [--slowdown N] [--credit N]
Pair by pair in one run, the order turned about in every second pair; prints each pair, then medians
and ratios of the p50, the p99 and the last result. Asserts no time. Workers are fake ones that take
--delay-ms an image.
"""
import argparse
import statistics
import sys
import tempfile
import time

from cluster import Client, Cluster, wait_until
from pictures import pngs


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(cluster, files):
    """Seconds from the first byte of one upload to each of its results, sorted."""
    client = Client(cluster)
    socket = client.socket()
    times = []
    start = time.perf_counter()
    ids = client.upload(files)
    while len(times) < len(files):
        event = socket.next()
        if event["type"] == "image":
            times.append(time.perf_counter() - start)
    assert sorted(e["image"]["id"] for e in socket.seen) == sorted(ids)
    assert all(e["image"]["state"] == "done" for e in socket.seen), socket.seen
    socket.close()
    return sorted(times)


class Bench:
    """Two clusters side by side, used in turns, so that a slow moment of the machine hits both."""

    def __init__(self, directory, options):
        self.options = options
        self.clusters = []
        for name, slow in (("alone", False), ("with the slow one", True)):
            cluster = Cluster(f"{directory}/{'slow' if slow else 'alone'}")
            cluster.directory.mkdir()
            cluster.name = name
            self.clusters.append(cluster)
            cluster.start()
            arguments = ["--credit", options.credit] if options.credit else []
            cluster.add_workers(3, "--delay-ms", options.delay_ms, *arguments)
            if slow:
                cluster.add_workers(1, "--delay-ms", options.delay_ms * options.slowdown,
                                    *arguments)

    def run(self, number):
        """One upload on each; returns {name: times}."""
        files = pngs(self.options.images)
        order = self.clusters if number % 2 == 0 else self.clusters[::-1]
        times = {}
        for cluster in order:
            times[cluster.name] = measure(cluster, files)
            # A copy that lost may still be computed: the next upload is to find nobody busy.
            wait_until(lambda: cluster.cluster()["in_flight"] == 0, "the cluster to be idle")
            time.sleep(self.options.delay_ms * self.options.slowdown / 1000)
        return times

    def close(self, failed):
        for cluster in self.clusters:
            cluster.close(failed)


def describe(times):
    return (f"p50 {1000 * percentile(times, 0.5):7.1f} ms, p99 {1000 * percentile(times, 0.99):7.1f}"
            f", last {1000 * times[-1]:7.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--delay-ms", type=int, default=20)
    parser.add_argument("--slowdown", type=int, default=10)
    parser.add_argument("--credit", type=int, default=0, help="0: the worker's own choice")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(directory, options)
        failed = True
        try:
            bench.run(0)  # the workers are measured by the scheduler, the machine is warm
            pairs = []
            for number in range(options.pairs):
                pairs.append(bench.run(number))
                for name, times in pairs[-1].items():
                    print(f"pair {number + 1}: {name:18} {describe(times)}")
            report(pairs, bench.clusters[1], options)
            failed = False
        finally:
            bench.close(failed)
    return 0


def report(pairs, slow_cluster, options):
    print(f"{options.images} images, {options.delay_ms} ms each on 3 workers, "
          f"{options.delay_ms * options.slowdown} ms on the fourth, {len(pairs)} pairs; "
          "with the slow one / alone:")
    for what, share in (("p50", 0.5), ("p99", 0.99), ("last", 1.0)):
        alone = [percentile(pair["alone"], share) for pair in pairs]
        slow = [percentile(pair["with the slow one"], share) for pair in pairs]
        ratios = [s / a for s, a in zip(slow, alone)]
        print(f"  {what:4}: median {1000 * statistics.median(slow):7.1f} / "
              f"{1000 * statistics.median(alone):7.1f} ms, ratio median "
              f"{statistics.median(ratios):.2f}, worst {max(ratios):.2f}, best {min(ratios):.2f}")
    attempts = {name.split('"')[1]: int(value) for name, value in slow_cluster.metrics().items()
                if name.startswith("imgrec_attempts_total")}
    print("  attempts with the slow one:", ", ".join(f"{n} {what}" for what, n in attempts.items()))


if __name__ == "__main__":
    sys.exit(main())
