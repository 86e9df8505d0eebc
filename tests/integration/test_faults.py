"""One fault at a time between real processes, through a gate: what each side makes of it, exactly."""
import contextlib
import signal
import time

import pytest

from cluster import wait_until
from gate import FIN, FLOW, HOLD, RST, UNREAD, Gate
from liar import FrameReader, LyingWorker
from pictures import check_fake_answers, pngs
from sockets import ASSIGN, check_exactly_once

RESULT = 5
# Quick to notice, yet with room for a busy machine.
QUICK = ["--workers-heartbeat", "300ms", "--workers-dead-after", "2s"]


class ChangeFirst:
    """A gate's filter: changes one payload byte of the first frame of a type, on the first link that
    carries one."""

    def __init__(self, kind, direction):
        self.kind = kind
        self.direction = direction
        self.done = False

    def __call__(self, link, direction):
        if direction != self.direction:
            return None
        reader = FrameReader()

        def change(data):
            if self.done:
                return data
            for kind, _, payload in reader.feed(data):
                if kind == self.kind and not self.done:
                    self.done = True
                    behind = len(reader.data) - 28 - len(payload)  # still unread after this frame
                    at = len(data) - behind - 1  # its last byte
                    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            return data

        return change


@pytest.fixture
def gated(new_cluster):
    """gated(new_filter=…, manager_args=…): a cluster and the gate before its worker port."""
    with contextlib.ExitStack() as stack:
        def start(manager_args=QUICK, **keywords):
            cluster = new_cluster(manager_args=manager_args)
            gate = Gate(cluster.worker_host_port(), **keywords)
            stack.callback(gate.close)
            return cluster, gate

        yield start


def left(cluster, pattern):
    return cluster.manager.wait_log(r"worker_left .*" + pattern)


@pytest.mark.parametrize("stall", [HOLD, UNREAD])
def test_a_silent_link_is_noticed_and_its_images_go_elsewhere(gated, stall):
    """Neither side sees anything: no end, no reset, no byte."""
    cluster, gate = gated()
    cut_off = cluster.add_workers(1, "--manager", gate.address, "--delay-ms", "300")[0]
    files = pngs(6)
    ids = cluster.client.upload(files)
    wait_until(lambda: cluster.cluster()["in_flight"] > 0, "work on the link")
    gate.set("both", stall=stall)
    cluster.add_workers(1)
    left(cluster, f"name={cut_off.name} .*nothing heard for")
    images = cluster.client.wait_done(ids)
    check_fake_answers(images, files)
    assert {i["worker"] for i in images.values()} >= {cluster.workers[1].name}
    cut_off.wait_log("nothing heard for")  # the worker notices too
    gate.set("both", stall=FLOW)
    wait_until(lambda: len(cluster.ready_workers()) == 2, "the worker to be back")
    assert cluster.ledger() == {"accepted": 6, "done": 6, "failed": 0, "open": 0}


@pytest.mark.parametrize("kind, direction", [(RESULT, "up"), (ASSIGN, "down")])
def test_a_changed_byte_ends_the_connection_and_the_image_is_done_all_the_same(
        gated, kind, direction):
    change = ChangeFirst(kind, direction)
    cluster, gate = gated(new_filter=change)
    worker = cluster.add_workers(1, "--manager", gate.address)[0]
    files = pngs(5)
    ids = cluster.client.upload(files)
    images = cluster.client.wait_done(ids)
    check_fake_answers(images, files)
    assert change.done
    # Who found the damage says so; the other side hears it in the BYE.
    both = cluster.manager.log() + worker.log()
    assert "CRC-32C" in both, both
    wait_until(lambda: gate.accepted >= 2, "the worker to connect again")
    assert max(i["attempts"] for i in images.values()) >= 2
    assert cluster.ledger() == {"accepted": 5, "done": 5, "failed": 0, "open": 0}


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_link_cut_after_any_byte_of_the_handshake_is_made_again(gated, direction):
    """HELLO up, WELCOME down: cut after each of the first bytes and some further ones, by a reset
    and in order."""
    cluster, gate = gated()
    places = [0, 1, 3, 4, 5, 27, 28, 29, 40, 60]
    for number, after in enumerate(places):
        gate.cut_next(direction, after=after, how=(FIN, RST)[number % 2])
        before = gate.accepted
        worker = cluster.add_worker("--manager", gate.address)
        # First the second link: for a moment the manager may take the first one for ready.
        wait_until(lambda: gate.accepted >= before + 2,
                   f"the worker to connect again after a cut at {after} bytes")
        wait_until(lambda: [w for w in cluster.ready_workers() if w["name"] == worker.name],
                   f"the worker whose first link was cut after {after} bytes")
        assert worker.terminate() == 0, worker.tail()
        wait_until(lambda: not cluster.cluster()["workers"], "it to be gone")
    cluster.add_workers(1, "--manager", gate.address)
    cluster.client.wait_done(cluster.client.upload(pngs(3)))


def test_half_a_second_each_way_is_slow_and_works(gated):
    cluster, gate = gated(manager_args=[])
    gate.set("both", delay_s=0.5)
    cluster.add_workers(2, "--manager", gate.address, "--credit", "8", "--delay-ms", "10")
    client, files = cluster.client, pngs(40)
    socket = client.socket(after=0)
    start = time.monotonic()
    ids = client.upload(files)
    check_exactly_once(socket.read_images(40), ids)
    seconds = time.monotonic() - start
    check_fake_answers(client.wait_done(ids), files)
    rtts = [w["rtt_ms"] for w in cluster.ready_workers()]
    print(f"\n40 images over 500 ms each way: {seconds:.1f} s, measured round trips {rtts} ms")
    assert all(rtt >= 1000 for rtt in rtts)
    assert cluster.attempts("dropped") == 0 and cluster.attempts("timed_out") == 0


def test_a_stopped_worker_is_replaced_and_its_late_results_are_dropped(gated):
    cluster, _ = gated()
    stopped = cluster.add_workers(1, "--delay-ms", "500")[0]
    client, files = cluster.client, pngs(4)
    socket = client.socket(after=0)
    ids = client.upload(files)
    wait_until(lambda: cluster.cluster()["in_flight"] > 0, "work to be given out")
    stopped.signal(signal.SIGSTOP)
    cluster.add_workers(1)
    left(cluster, f"name={stopped.name} .*nothing heard for")
    check_exactly_once(socket.read_images(4), ids)
    stopped.signal(signal.SIGCONT)
    wait_until(lambda: len(cluster.ready_workers()) == 2, "the stopped worker to register again")
    socket.drain()
    check_exactly_once(socket.seen, ids)
    check_fake_answers(client.wait_done(ids), files)
    assert cluster.ledger() == {"accepted": 4, "done": 4, "failed": 0, "open": 0}


def test_a_stopped_manager_goes_on_where_it_was(gated):
    cluster, _ = gated()
    cluster.add_workers(2, "--delay-ms", "100")
    client, files = cluster.client, pngs(30)
    socket = client.socket(after=0)
    ids = client.upload(files)
    socket.read_images(3)
    cluster.manager.signal(signal.SIGSTOP)
    time.sleep(3)  # longer than dead-after: both sides have reason to give the other up
    cluster.manager.signal(signal.SIGCONT)
    check_exactly_once(socket.read_images(30), ids)
    check_fake_answers(client.wait_done(ids), files)
    wait_until(lambda: len(cluster.ready_workers()) == 2, "both workers")
    assert cluster.ledger() == {"accepted": 30, "done": 30, "failed": 0, "open": 0}


LIES = ["wrong_job", "wrong_attempt", "twice", "late", "after_cancel", "silent"]


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_worker_costs_time_and_nothing_else(gated, lie):
    cluster, _ = gated(manager_args=[
        *QUICK, "--scheduler-first-timeout", "1s", "--scheduler-min-timeout", "1s",
        "--scheduler-max-timeout", "1s"])
    liar = LyingWorker(cluster.worker_address, seed=1)
    liar.lies = [getattr(liar, lie)]
    client, files = cluster.client, pngs(12)
    socket = client.socket(after=0)
    liar.start()
    try:
        wait_until(lambda: cluster.ready_workers(), "the liar")
        ids = client.upload(files)
        wait_until(lambda: liar.counts[lie.replace("_", " ")] > 0, "the first lie")
        cluster.add_workers(1)
        check_exactly_once(socket.read_images(12), ids)
        socket.drain()
        check_exactly_once(socket.seen, ids)
        check_fake_answers(client.wait_done(ids), files)
        if lie in ("wrong_job", "wrong_attempt", "twice"):
            assert cluster.attempts("dropped") >= 1
    finally:
        liar.stop()
    assert cluster.ledger() == {"accepted": 12, "done": 12, "failed": 0, "open": 0}


def test_sigterm_of_the_manager_ends_well_though_images_hang(new_cluster):
    """Its drain runs out: every worker that still holds something is sent away, the last one too."""
    cluster = new_cluster(manager_args=["--shutdown-drain", "300ms"])
    hanging = cluster.add_workers(2, "--delay-ms", "60000")
    cluster.client.upload(pngs(4))
    wait_until(lambda: cluster.cluster()["in_flight"] == 4, "all to be given out")
    assert cluster.manager.terminate() == 0, cluster.manager.tail()
    # Each worker hands back the one that it has not begun.
    assert "drain_incomplete in_flight=2" in cluster.manager.log()
    for worker in hanging:
        worker.kill9()
    cluster.restart_manager()
    assert cluster.ledger() == {"accepted": 4, "done": 0, "failed": 0, "open": 4}
