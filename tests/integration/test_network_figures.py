"""What the manager says of a bad network, against what the network itself counted: a real manager and
a worker at either end of an emulated link of 20 Mbit/s that loses a tenth of the packets."""
import contextlib
import random

import pytest

from cluster import Cluster, wait_until
from link_emulator import ADDRESS_A, EmulatedLink
from net_sandbox import skip_without_namespaces
from pictures import png, png_chunk

LOSS, DELAY_MS, RATE, QUEUE_MS = 0.10, 20, 20e6, 50
LINK = f"loss={LOSS} delay={DELAY_MS}ms rate=20mbit queue={QUEUE_MS}ms"
PHOTO_BYTES = 60_000
DELAYED_ACK_MS = 40


@pytest.fixture(autouse=True)
def namespaces():
    skip_without_namespaces()


def photos(count):
    """Pictures that are as large as a photo, of bytes that nothing can make smaller."""
    dice = random.Random(7)
    for number in range(count):
        picture = png(number)
        filler = png_chunk(b"prVt", dice.randbytes(PHOTO_BYTES))
        yield f"{number}.png", picture[:-12] + filler + picture[-12:]  # before the last chunk


@contextlib.contextmanager
def cluster_over(link, directory, manager_args=(), worker_args=()):
    """A manager at end a, where this thread is too; the worker is at end b."""
    with link.a.entered():
        link.a.start_loopback()
        cluster = Cluster(directory, manager_args=["--worker-listen", ADDRESS_A, *manager_args],
                          worker_args=worker_args)
        failed = True
        try:
            cluster.start()
            add_worker(cluster, link)
            yield cluster
            failed = False
        finally:
            cluster.close(failed)


def add_worker(cluster, link):
    with link.b.entered():
        cluster.add_worker()
    return wait_until(lambda: cluster.cluster()["workers"], "the worker over the bad link")[0]


def watch(cluster, ids):
    """The worker's figures of every tenth of a second or so until all images are done."""
    seen, done = [], len(cluster.client.settled())

    def all_done():
        state = cluster.cluster()
        seen.append(state["workers"][0])
        return state["totals"]["done"] == done + len(ids)

    wait_until(all_done, f"{len(ids)} images over the bad link")
    return seen


def settled_figures(cluster, link):
    """What manager and link say once nothing is under way any more; they stay equal from then on."""
    def quiet():
        before = link.statistics()
        metrics, worker = cluster.metrics(), cluster.cluster()["workers"][0]
        after = link.statistics()
        still = all(before[way][what] == after[way][what]
                    for way in ("a_to_b", "b_to_a") for what in ("in", "delivered"))
        held = after["a_to_b"]["held"] + after["b_to_a"]["held"] + worker["unacknowledged_bytes"]
        return still and held == 0 and (after, metrics, worker)

    return wait_until(quiet, "a link with nothing under way")


def wire(metrics, direction, unit="bytes"):
    return metrics[f'imgrec_worker_wire_{unit}_total{{direction="{direction}"}}']


def skip_if_busy(figures):
    """The link itself did not do what was asked, so that there is nothing to compare with."""
    for way in ("a_to_b", "b_to_a"):
        late, unread = figures[way]["lateness_ms"]["p99"], figures[way]["unread"]
        if late > 10 or unread > 0:
            pytest.skip(f"machine too busy: {way} was {late:.2f} ms late (p99), and {unread} packets "
                        "came faster than they could be read")


def test_a_link_that_loses_is_measured_as_it_is(tmp_path):
    with EmulatedLink(LINK, seed=3) as link, cluster_over(link, tmp_path) as cluster:
        ids = cluster.client.upload(list(photos(10)))  # more are slow where there is no BBR
        seen = watch(cluster, ids)
        cluster.client.wait_done(ids)
        figures, metrics, worker = settled_figures(cluster, link)
        skip_if_busy(figures)
        out, back = figures["a_to_b"], figures["b_to_a"]

        sent = wire(metrics, "out")
        print(f"out: {sent:.0f} bytes, {out['in']['bytes']} by the link; "
              f"in: {wire(metrics, 'in'):.0f}, {back['delivered']['bytes']} by the link")
        # A segment or two are of the handshake; acknowledgements of what came with gaps are longer
        # than the manager knows (SACK).
        assert sent == pytest.approx(out["in"]["bytes"], abs=3000), "time stamps alone are 5000"
        assert wire(metrics, "out", "segments") == pytest.approx(out["in"]["packets"], abs=10)
        assert wire(metrics, "in", "segments") == pytest.approx(back["delivered"]["packets"], rel=0.01)
        assert 0.6 < wire(metrics, "in") / back["delivered"]["bytes"] <= 1
        assert worker["wire_out_bytes"] == sent and worker["wire_in_bytes"] == wire(metrics, "in")
        assert sent > 1.1 * PHOTO_BYTES * len(ids), "what was lost has crossed the wire twice"

        # What TCP sent again is what was lost, and the little that it only took for lost.
        again = metrics["imgrec_worker_retransmissions_total"]
        lost = out["lost"]["packets"] + out["dropped"]["packets"]
        share = again / metrics["imgrec_worker_data_segments_total"]
        print(f"sent again: {again:.0f}, lost on the link: {lost} of {out['in']['packets']}; "
              f"share {share:.4f}; {worker['congestion_control']}")
        assert 0.9 * lost <= again <= 1.3 * lost
        wait_until(lambda: cluster.cluster()["workers"][0]["retransmitted_share"] ==
                   pytest.approx(share, abs=0.01),
                   "the last minute's share, which is taken once a second, to be the whole one")
        assert metrics["imgrec_worker_retransmitted_bytes_total"] <= again * 1448

        rtt, least = worker["tcp_rtt_ms"], worker["tcp_least_rtt_ms"]
        fastest = max(one["delivery_bits_per_s"] or 0 for one in seen)
        flying = max(one["unacknowledged_bytes"] for one in seen)
        print(f"round trip {rtt} ms, least {least}; delivery up to {fastest / 1e6:.1f} Mbit/s; "
              f"up to {flying} bytes in flight, window {worker['congestion_window_bytes']}")
        assert 2 * DELAY_MS * 0.99 <= least <= 2 * DELAY_MS * 1.25
        assert least <= rtt <= 2 * DELAY_MS + QUEUE_MS + DELAYED_ACK_MS
        assert 0 < fastest <= RATE * 1.05
        assert flying > 0 and worker["congestion_window_bytes"] > 0


def test_counters_never_shrink_as_a_worker_comes_back(tmp_path):
    with EmulatedLink("delay=1ms") as link, cluster_over(link, tmp_path) as cluster:
        cluster.client.wait_done(cluster.client.upload(list(photos(3))))
        before, first = cluster.metrics(), cluster.cluster()["workers"][0]
        cluster.kill9_worker(cluster.workers[0])
        wait_until(lambda: not cluster.cluster()["workers"], "the worker to be gone")
        without = cluster.metrics()
        second = add_worker(cluster, link)
        assert second["wire_out_bytes"] < first["wire_out_bytes"], "its own connection alone"
        after = cluster.metrics()
        for direction in ("out", "in"):
            assert wire(before, direction) <= wire(without, direction) < wire(after, direction)
        figures, metrics, _ = settled_figures(cluster, link)
        skip_if_busy(figures)
        assert wire(metrics, "out") == pytest.approx(figures["a_to_b"]["in"]["bytes"], abs=1000)
