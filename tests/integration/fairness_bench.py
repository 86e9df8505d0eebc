#!/usr/bin/python3
"""What one image of one session waits while another session has 1,000 in the queue.

Usage: IMGREC_BIN_DIR=build/release/bin fairness_bench.py [--rounds N] [--images N] [--workers N]
       [--delay-ms N]
Each round measures one image on the idle cluster, then the same among the other session's queue, at
a random moment of it. Prints each round, then medians and the goal: at most twice the idle time and
one image's service time. Asserts no time. Workers are fake ones that take --delay-ms an image.
"""
import argparse
import random
import statistics
import sys
import tempfile
import time

from cluster import Client, Cluster, wait_until
from pictures import png, pngs


def one_image(cluster, number):
    """Seconds from the first byte of the upload to the result on the socket, and the image."""
    client = Client(cluster)
    socket = client.socket()
    data = png(number)
    client.get("/api/v1/images")  # the connection is made
    start = time.perf_counter()
    ids = client.upload([("one.png", data)])
    events = socket.read_images(1)
    seconds = time.perf_counter() - start
    assert [e["image"]["id"] for e in events] == ids and events[0]["image"]["state"] == "done"
    socket.close()
    return seconds, events[0]["image"]


def among_many(cluster, number, options, dice):
    """The same while another session's images wait; also how many of those waited then."""
    many = Client(cluster)
    ids = []
    for first in range(0, options.images, 250):  # several uploads, as pages make them
        ids += many.upload(pngs(min(250, options.images - first), first=first))
    time.sleep(dice.uniform(0, 0.2) * options.images * options.delay_ms / 1000 / options.workers)
    waiting = cluster.cluster()["queue_depth"]
    seconds, image = one_image(cluster, number)
    still_waiting = cluster.cluster()["queue_depth"]
    many.wait_done(ids)
    return seconds, image, waiting, still_waiting


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--delay-ms", type=int, default=40)
    options = parser.parse_args()
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(directory)
        cluster.start()
        failed = True
        try:
            cluster.add_workers(options.workers, "--delay-ms", options.delay_ms)
            one_image(cluster, 1_000_000)  # everything is warm
            rounds = []
            for number in range(options.rounds):
                wait_until(lambda: cluster.ledger()["open"] == 0, "the cluster to be idle")
                idle, _ = one_image(cluster, 2_000_000 + number)
                busy, image, waiting, still = among_many(cluster, 3_000_000 + number, options, dice)
                assert still > 0, "the queue must outlast the one image: give --images more"
                rounds.append((idle, busy))
                print(f"round {number + 1}: idle {1000 * idle:6.1f} ms, among {waiting:4} waiting "
                      f"images {1000 * busy:6.1f} ms (queued {image['timing_ms']['queue']} ms)")
            report(rounds, options)
            failed = False
        finally:
            cluster.close(failed)
    return 0


def report(rounds, options):
    idle = statistics.median(r[0] for r in rounds)
    busy = statistics.median(r[1] for r in rounds)
    worst = max(r[1] for r in rounds)
    goal = 2 * idle + options.delay_ms / 1000
    print(f"1 image among {options.images}, {options.workers} workers, {options.delay_ms} ms an "
          f"image, {len(rounds)} rounds: median {1000 * busy:.1f} ms, worst {1000 * worst:.1f}; "
          f"idle median {1000 * idle:.1f}; goal 2 x idle + one image = {1000 * goal:.1f}; median "
          f"/ goal = {busy / goal:.2f}, worst / goal = {worst / goal:.2f}")


if __name__ == "__main__":
    sys.exit(main())
