"""PINGs that follow what was sent last, so that its loss is noticed soon: a way of 1 ms each way that loses
every seventh packet draws them from the manager and from the worker, one that loses none does not.

The other side is played here, so that PINGs can be counted. All other reasons for them are bounded by
numbers: the heartbeats are ten minutes apart, and the rest is what MOST_DOUBTS and MOST_REHEARSALS say. Both
sides connect while nothing is lost, since a SYN that is sent again makes timers of seconds.
"""
import contextlib
import re
import socket
import struct
import subprocess

import pytest

from cluster import PATIENCE_S, Cluster, Program, binary
from liar import ASSIGN, PONG, RESULT, WELCOME, FrameReader, hello, result, text
from link_emulator import ADDRESS_A, EmulatedLink
from net_sandbox import skip_without_namespaces
from pictures import png, pngs
from sockets import HELLO, PING, frame
from test_network_figures import photos

CLEAN, LOSSY = "delay=1ms rate=100mbit", "loss=15%"
# An acknowledgement takes 10 ms then, and a tail on a lossy way that took 2 ms at first is looked at after 6.
# Nothing is sent again for that: TCP waits for 20 ms more than a round trip.
LONGER = "delay=5ms"
HEARTBEAT_MS = 600_000  # ten minutes, the most there can be
SELDOM = ["--workers-heartbeat", "10m", "--workers-dead-after", "20m"]
# A manager says one PING with WELCOME. One whose answer is late is doubted, and followed by another, three
# times in a row (manager/net/round_trip_doubt.h); then only a tail is a reason for more.
MOST_DOUBTS = 1 + 3
# A worker's PINGs follow each other until its timers fit (worker/net/manager_link.cpp), and never again.
MOST_REHEARSALS = 24
TCP_RTO_MIN_US, TCP_DELACK_MAX_US = 45, 46


@pytest.fixture(autouse=True)
def namespaces():
    skip_without_namespaces()


def tune(connection):
    """As the programs do (net/tcp_tuner.cpp). Where an acknowledgement was held back for longer, the other
    side would take it for lost."""
    connection.settimeout(PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option, microseconds in ((TCP_RTO_MIN_US, 20_000), (TCP_DELACK_MAX_US, 10_000)):
        with contextlib.suppress(OSError):  # before Linux 6.16
            connection.setsockopt(socket.IPPROTO_TCP, option, microseconds)


class Side:
    """One side of a connection, played here: answers PINGs and counts them."""

    def __init__(self, connection):
        tune(connection)
        self.connection = connection
        self.pings = 0
        self._reader = FrameReader()
        self._frames = iter(())

    def send(self, data):
        self.connection.sendall(data)

    def next(self, wanted):
        """(id, payload) of the next frame of this type."""
        while True:
            for kind, number, payload in self._frames:
                if kind == PING:
                    self.pings += 1
                    self.send(frame(PONG, payload, job=number))
                elif kind == wanted:
                    return number, payload
                else:
                    assert kind == PONG, f"a frame of type {kind}: {payload}"
            data = self.connection.recv(1 << 16)
            assert data, "the connection ended"
            self._frames = self._reader.feed(data)

    def close(self):
        self.connection.close()


# ---- the manager --------------------------------------------------------------------------------

class PlayedWorker(Side):
    """Takes one photo at a time, so that nothing follows it before its result."""

    def __init__(self, link, cluster):
        super().__init__(link.socket("b", socket.SOCK_STREAM))
        self.connection.connect(cluster.worker_host_port())
        self.cluster = cluster

    def register(self):
        self.send(hello("played", credit=1))
        self.next(WELCOME)

    def recognise(self, files):
        """How many PINGs came meanwhile."""
        before = self.pings
        ids = self.cluster.client.upload(files)
        for _ in files:
            job, payload = self.next(ASSIGN)
            self.send(result(job, struct.unpack(">I", payload[:4])[0], best=1))
        self.cluster.client.wait_done(ids)
        return self.pings - before


@contextlib.contextmanager
def manager_at(link, directory):
    """A real manager at end a, where this thread is too, and a worker of ours at end b, not registered yet."""
    with link.a.entered():
        link.a.start_loopback()
        cluster = Cluster(directory, manager_args=["--worker-listen", ADDRESS_A, *SELDOM])
        failed = True
        try:
            cluster.start()
            with contextlib.closing(PlayedWorker(link, cluster)) as worker:
                yield worker
            failed = False
        finally:
            cluster.close(failed)


def sent_by(cluster):
    """(segments with something in them, those of them that were sent again)."""
    metrics = cluster.metrics()
    return (metrics["imgrec_worker_data_segments_total"], metrics["imgrec_worker_retransmissions_total"])


def skip_if_sent_again(count):
    if count > 0:
        pytest.skip(f"machine too busy: {count:.0f} segments were taken for lost that were not")


def test_a_managers_photos_are_probed_where_packets_are_lost(tmp_path):
    with EmulatedLink(CLEAN, seed=1) as link, manager_at(link, tmp_path) as worker:
        link.command(f"set link both {LOSSY}")
        worker.register()
        pings = worker.recognise(list(photos(30)))
        print(f"{pings} PINGs with 30 photos; {MOST_DOUBTS} had other reasons at most")
        assert pings >= 15


def test_a_managers_photos_are_not_probed_where_none_are_lost(tmp_path):
    with EmulatedLink(CLEAN, seed=2) as link, manager_at(link, tmp_path) as worker:
        worker.register()
        link.command(f"set link both {LONGER}")
        pings = worker.recognise(list(photos(30)))
        segments, again = sent_by(worker.cluster)
        print(f"{pings} PINGs with 30 photos; {again:.0f} of {segments:.0f} segments sent again")
        skip_if_sent_again(again)
        assert worker.pings <= MOST_DOUBTS


def test_a_managers_photos_are_probed_where_a_bad_time_begins_after_a_long_good_one(tmp_path):
    """Too few are lost in all for a way that is judged by all that was ever sent over it."""
    with EmulatedLink(CLEAN, seed=3) as link, manager_at(link, tmp_path) as worker:
        worker.register()
        good = worker.recognise(list(photos(100)))
        link.command(f"set link both {LOSSY}")
        bad = worker.recognise(pngs(80, first=100))  # of one segment each
        segments, again = sent_by(worker.cluster)
        print(f"{good} PINGs with 100 photos, then {bad} with 80 small ones; "
              f"{again:.0f} of {segments:.0f} segments sent again")
        assert 0 < again < segments / 100
        assert bad >= 15


# ---- the worker ---------------------------------------------------------------------------------

class PlayedManager(Side):
    """Gives one photo after the other, each when the one before it is answered."""

    def __init__(self, connection):
        super().__init__(connection)
        self.jobs = 0

    def register(self):
        self.next(HELLO)
        self.send(frame(WELCOME, struct.pack(">BQII", 1, 1, HEARTBEAT_MS, 1 << 20) + text("0" * 32), job=0))

    def give(self, count):
        """How many PINGs came meanwhile."""
        before = self.pings
        for _ in range(count):
            self.jobs += 1
            assignment = struct.pack(">IIH", 1, 60_000, 2)  # attempt, deadline, classes
            self.send(frame(ASSIGN, assignment + png(self.jobs), job=self.jobs))
            assert self.next(RESULT)[0] == self.jobs
        return self.pings - before

    def end_rehearsals(self):
        """Each photo goes after the PONG of a PING that was there before it, and its result comes after the
        PING that this PONG draws: so with as many photos as there can be PINGs, there are no more."""
        self.give(MOST_REHEARSALS + 1)


@contextlib.contextmanager
def worker_at(link, directory):
    """A real worker at end b, and a manager of ours at end a, which has not said anything yet."""
    with contextlib.closing(link.socket("a", socket.SOCK_STREAM)) as listener:
        listener.settimeout(PATIENCE_S)
        listener.listen()
        with link.b.entered():
            program = Program("worker", [binary("imgrec-fake-worker"), "--name", "worker", "--manager",
                                         f"{ADDRESS_A}:{listener.getsockname()[1]}"], directory / "worker.log")
        try:
            with contextlib.closing(PlayedManager(listener.accept()[0])) as manager:
                yield manager
            listener.close()
            assert program.terminate() == 0, program.tail()
            program.check_no_report()
        finally:
            if program.alive():
                program.kill9()


def sent_again_by_worker(link):
    with link.b.entered():
        figures = subprocess.run(["ss", "-tinH", "state", "established"], capture_output=True, text=True,
                                 check=True).stdout
    found = re.search(r"\bretrans:\d+/(\d+)", figures)
    return int(found.group(1)) if found else 0


def test_a_workers_results_are_probed_where_packets_are_lost(tmp_path):
    with EmulatedLink(CLEAN, seed=4) as link, worker_at(link, tmp_path) as manager:
        link.command(f"set link both {LOSSY}")
        manager.register()
        manager.end_rehearsals()
        rehearsed = manager.pings
        pings = manager.give(120)
        print(f"{rehearsed} PINGs at first, then {pings} with 120 results")
        assert pings >= 15


def test_a_workers_results_are_not_probed_where_none_are_lost(tmp_path):
    with EmulatedLink(CLEAN, seed=5) as link, worker_at(link, tmp_path) as manager:
        manager.register()
        manager.end_rehearsals()
        rehearsed = manager.pings
        link.command(f"set link both {LONGER}")
        pings = manager.give(120)
        again = sent_again_by_worker(link)
        print(f"{rehearsed} PINGs at first, then {pings} with 120 results; {again} segments sent again")
        skip_if_sent_again(again)
        assert rehearsed <= MOST_REHEARSALS and pings == 0
