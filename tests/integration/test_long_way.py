"""A manager and its worker at either end of a long way: what TCP knows of it before the first photos, which
congestion control it has, and that a lost SYN is not taken for a long way."""
import pathlib
import re
import socket
import subprocess
import time

import pytest

from cluster import wait_until
from net_sandbox import skip_without_namespaces
from link_emulator import EmulatedLink
from test_network_figures import add_worker, cluster_over, photos, wire

WINDOW = 4_000_000  # bytes that are to be under way for each second of a round trip
NOTHING = 10_000    # bytes: WELCOME, a few PINGs
TCP_RTO_MIN_US = 45


@pytest.fixture(autouse=True)
def namespaces():
    skip_without_namespaces()


def need_timers_that_can_be_set():
    with socket.socket() as one:
        try:
            one.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MIN_US, 20_000)
        except OSError:
            pytest.skip("this kernel's timers cannot be set (Linux 6.16)")


def need_congestion_controls(*names):
    known = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    if missing := set(names) - set(known):
        pytest.skip(f"this kernel has no {', '.join(sorted(missing))}")


def worker_of(cluster):
    return cluster.cluster()["workers"][0]


def test_a_long_way_is_warm_before_the_first_photos(tmp_path):
    need_congestion_controls("bbr", "cubic")
    with EmulatedLink("delay=75ms rate=100mbit queue=1s") as link, cluster_over(link, tmp_path) as cluster:
        wanted = WINDOW * 0.15
        wait_until(lambda: worker_of(cluster)["congestion_window_bytes"] >= wanted, "a warm path")
        assert worker_of(cluster)["congestion_control"] == "cubic"

        def quiet():
            before = wire(cluster.metrics(), "out")
            time.sleep(0.5)
            return wire(cluster.metrics(), "out") - before < NOTHING and before

        filled = wait_until(quiet, "the end of what means nothing")
        print(f"{filled:.0f} bytes were sent, {wanted:.0f} are to be under way")
        assert wanted < filled < 4 * wanted + 500_000
        ids = cluster.client.upload(list(photos(5)))
        cluster.client.wait_done(ids)


def test_a_short_way_is_sent_nothing_that_means_nothing(tmp_path):
    with EmulatedLink("delay=1ms rate=100mbit") as link, cluster_over(link, tmp_path) as cluster:
        wait_until(lambda: worker_of(cluster)["tcp_rtt_ms"], "a round trip")
        time.sleep(0.5)
        assert wire(cluster.metrics(), "out") < NOTHING


def test_a_long_way_that_loses_packets_gets_bbr(tmp_path):
    need_congestion_controls("bbr", "cubic")
    link_of = "delay=50ms rate=100mbit loss=10%"
    with EmulatedLink(link_of, seed=5) as link, cluster_over(link, tmp_path) as cluster:
        wait_until(lambda: worker_of(cluster)["congestion_control"] == "bbr", "packets seen to be lost")
        ids = cluster.client.upload(list(photos(10)))
        cluster.client.wait_done(ids)


def test_photos_pass_while_the_path_is_being_warmed(tmp_path):
    with EmulatedLink("delay=300ms rate=10mbit") as link, cluster_over(link, tmp_path) as cluster:
        ids = cluster.client.upload(list(photos(5)))  # at once: FILL is under way
        cluster.client.wait_done(ids)
        assert cluster.metrics()['imgrec_attempts_total{result="timed_out"}'] == 0


def test_a_lost_syn_is_not_taken_for_a_long_way(tmp_path):
    """The answer to the worker's first SYN is lost: it connects again rather than go by that second."""
    with EmulatedLink("delay=1ms") as link, cluster_over(link, tmp_path) as cluster:
        cluster.workers[0].terminate()
        wait_until(lambda: not cluster.cluster()["workers"], "the first worker to be gone")
        link.command("set link a-to-b loss=100%")
        with link.b.entered():
            cluster.add_worker()
        wait_until(lambda: re.search(r"retrans:\d+/[1-9]", sockets(link, "syn-sent")),
                   "a SYN that was sent again", timeout_s=20)
        link.command("set link a-to-b loss=0%")
        wait_until(lambda: cluster.cluster()["workers"], "the worker")
        resend_ms = wait_until(lambda: resend_time_ms(link), "its connection")
        print(f"sends again after {resend_ms} ms")
        assert resend_ms < 400


def test_a_workers_timers_fit_its_way_before_it_has_results(tmp_path):
    need_timers_that_can_be_set()
    with EmulatedLink("delay=1ms") as link, cluster_over(link, tmp_path) as cluster:
        before = wire(cluster.metrics(), "in", "segments")
        wait_until(lambda: (resend_time_ms(link) or 999) < 100, "a timer that is not 200 ms")
        time.sleep(0.5)
        assert wire(cluster.metrics(), "in", "segments") - before < 100, "that is soon over"


def resend_time_ms(link):
    found = re.search(r"\brto:(\d+)", sockets(link, "established"))
    return found and int(found.group(1))


def sockets(link, state):
    """What the worker's kernel says of its connections."""
    with link.b.entered():
        return subprocess.run(["ss", "-tinH", "state", state], capture_output=True, text=True, check=True).stdout
