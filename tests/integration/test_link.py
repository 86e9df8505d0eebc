"""imgrec-link against itself: what two kernels measure of a link is what was asked for, within 5 %.

Everything is counted and timed at the ends, by kernels (packet counters, receive time stamps) where
possible; the emulator is only asked whether it kept its own schedule. Where it did not, because the
machine was too busy, the test says so and is skipped: its figures would be of the machine.
"""
import contextlib
import math
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time

import pytest

from cluster import BIN_DIR
from link_emulator import ADDRESS_B, EmulatedLink, unaccounted
from net_sandbox import Sandbox, skip_without_namespaces

TOLERANCE = 0.05
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
SO_TIMESTAMPNS = 35
SIDES = {"a_to_b": ("a", "b"), "b_to_a": ("b", "a")}
HEADERS = 28  # of IP and UDP


@pytest.fixture(autouse=True)
def namespaces():
    skip_without_namespaces()


def skip_if_late(link, p50_ms, p99_ms):
    """The arguments: what the figures that are checked can bear."""
    figures = link.statistics()
    for direction in SIDES:
        late, unread = figures[direction]["lateness_ms"], figures[direction]["unread"]
        if late["p50"] > p50_ms or late["p99"] > p99_ms or unread > 0:
            pytest.skip(f"machine too busy: {direction} was {late['p50']:.2f} ms late (p50, {p50_ms} "
                        f"allowed), {late['p99']:.2f} ms (p99, {p99_ms} allowed), and {unread} "
                        "packets came faster than they could be read")


def connected_pair(link, direction):
    """(sender, receiver) of UDP."""
    source, target = SIDES[direction]
    receiver = link.socket(target)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    sender = link.socket(source)
    sender.connect(receiver.getsockname())
    return sender, receiver


def both_ways(work):
    """Runs work(direction) for either at once; what each returned."""
    results, errors = {}, []

    def run(direction):
        try:
            results[direction] = work(direction)
        except BaseException as error:  # noqa: B902: it is raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(direction,)) for direction in SIDES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def delays_ms(link, direction, count, spacing_s):
    """Of `count` datagrams, from the call that sends one to the time stamp of the far kernel."""
    sender, receiver = connected_pair(link, direction)
    with sender, receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        start = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, start + number * spacing_s - time.monotonic()))
            sender.send(struct.pack("q", time.clock_gettime_ns(time.CLOCK_REALTIME)))
        receiver.settimeout(1)
        delays = []
        for _ in range(count):
            data, ancillary, _, _ = receiver.recvmsg(64, 64)
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            arrived = seconds * 10**9 + nanoseconds
            delays.append((arrived - struct.unpack("q", data)[0]) / 1e6)
    return delays


def ping_ms(link, count, spacing_s):
    """Round trips of ICMP echo requests from a, which the kernel of b answers."""
    with link.socket("a", socket.SOCK_RAW, socket.IPPROTO_ICMP) as pinger:
        pinger.settimeout(2)
        trips = []
        for number in range(count):
            head = struct.pack("!BBHHH", 8, 0, 0, 4711, number)
            words = struct.unpack("!4H", head)
            total = sum(words)
            total = (total & 0xFFFF) + (total >> 16)
            packet = struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, 4711, number)
            begin = time.monotonic()
            pinger.sendto(packet, (ADDRESS_B, 0))
            while True:
                answer = pinger.recv(200)[20:]  # without the IP header
                if answer[0] == 0 and answer[4:] == packet[4:]:
                    break
            trips.append((time.monotonic() - begin) * 1e3)
            time.sleep(spacing_s)
    return trips


def test_delay_each_way_and_of_a_ping():
    """Medians: a sender that is put aside between clock and call shifts no median."""
    with EmulatedLink(a_to_b="delay=50ms", b_to_a="delay=20ms") as link:
        delays = both_ways(lambda d: statistics.median(delays_ms(link, d, 200, 0.005)))
        ping = statistics.median(ping_ms(link, 20, 0))
        skip_if_late(link, 0.3, 10)
        print(f"one way {delays['a_to_b']:.2f} ms of 50, {delays['b_to_a']:.2f} of 20; "
              f"ping {ping:.2f} of 70")
        assert delays["a_to_b"] == pytest.approx(50, rel=TOLERANCE)
        assert delays["b_to_a"] == pytest.approx(20, rel=TOLERANCE)
        assert ping == pytest.approx(70, rel=TOLERANCE)


def test_a_tick_costs_its_own_length_and_no_more():
    with EmulatedLink("delay=50ms", arguments=["--tick", "1ms"]) as link:
        delay = statistics.median(delays_ms(link, "a_to_b", 100, 0.0033))
        skip_if_late(link, 2, 10)
        print(f"one way {delay:.2f} ms of 50, by ticks of 1 ms")
        assert 50 <= delay <= 50 * (1 + TOLERANCE)


def test_jitter_each_way():
    """n = 4000 a direction: the mean distance from the median has a standard error of
    0.58 / sqrt(n) = 0.9 % where times are evenly spread, and of 0.76 / sqrt(n) = 1.2 % for normal
    ones: 5 % are four of them."""
    expected = {"a_to_b": 20 / 2, "b_to_a": 10 * math.sqrt(2 / math.pi)}
    with EmulatedLink("reorder=true", a_to_b="delay=40ms jitter=20ms",
                      b_to_a="delay=60ms jitter=10ms jitter-shape=normal") as link:
        found = both_ways(lambda d: delays_ms(link, d, 4000, 0.0005))
        skip_if_late(link, 0.2, 5)
        for direction, delays in found.items():
            middle = statistics.median(delays)
            distance = statistics.fmean(abs(delay - middle) for delay in delays)
            print(f"{direction}: {distance:.2f} ms from the median of {expected[direction]:.2f}")
            assert distance == pytest.approx(expected[direction], rel=TOLERANCE)
        assert min(found["a_to_b"]) > 20


def send_paced(sender, count, per_second, payload):
    """In small bursts: a TUN device holds some thousand packets and then throws away."""
    start = time.monotonic()
    for number in range(count):
        if number % 20 == 0:
            time.sleep(max(0.0, start + number / per_second - time.monotonic()))
        sender.send(payload)


def await_arrival(link, direction, count):
    """Until all of so many packets became something, or time is up: then the counts will say so."""
    deadline = time.monotonic() + 5
    figures = link.statistics()[direction]
    while ((figures["in"]["packets"] + figures["unread"] < count or figures["held"] > 0)
           and time.monotonic() < deadline):
        time.sleep(0.01)
        figures = link.statistics()[direction]


def test_loss_each_way():
    """n = 60 000 a direction: at a loss p the share found has a standard error, relative to p, of
    sqrt((1 - p) / (p n)): 1.2 % at 10 %, 0.97 % at 15 %. So 5 % are four of them. The dice are seeded:
    who passes here passes again."""
    count = 60_000
    asked = {"a_to_b": 0.10, "b_to_a": 0.15}
    with EmulatedLink("delay=1ms", a_to_b="loss=10%", b_to_a="loss=15%", seed=11) as link:
        before = {d: (link.a if SIDES[d][1] == "a" else link.b).received()[0] for d in SIDES}

        def work(direction):
            sender, receiver = connected_pair(link, direction)
            with sender, receiver:
                send_paced(sender, count, 25_000, b"x" * 32)
                await_arrival(link, direction, count)
                namespace = link.a if SIDES[direction][1] == "a" else link.b
                return 1 - (namespace.received()[0] - before[direction]) / count

        found = both_ways(work)
        skip_if_late(link, 5, 50)
        figures = link.statistics()
        for direction, share in found.items():
            print(f"{direction}: lost {share:.4f} of {asked[direction]}")
            assert figures[direction]["in"]["packets"] == count
            assert figures[direction]["lost"]["packets"] == pytest.approx(share * count)
            assert share == pytest.approx(asked[direction], rel=TOLERANCE)


def test_rate_each_way_under_a_flood():
    """Twice the UDP is offered that the line carries, so that its queue holds half a second for when
    the sender is put aside; the far kernels count the bytes that came."""
    asked = {"a_to_b": 20e6, "b_to_a": 5e6}
    payload = b"x" * 1172
    with EmulatedLink("delay=5ms queue=500ms", a_to_b="rate=20mbit", b_to_a="rate=5mbit") as link:

        def work(direction):
            sender, receiver = connected_pair(link, direction)
            namespace = link.a if SIDES[direction][1] == "a" else link.b
            per_second = 2 * asked[direction] / 8 / (len(payload) + HEADERS)
            with sender, receiver:
                flood = threading.Thread(
                    target=send_paced, args=(sender, int(per_second * 3), per_second, payload))
                flood.start()
                time.sleep(0.7)
                begin, first = time.monotonic(), namespace.received()[1]
                time.sleep(2)
                end, last = time.monotonic(), namespace.received()[1]
                flood.join()
                return (last - first) * 8 / (end - begin)

        found = both_ways(work)
        skip_if_late(link, 5, 50)
        figures = link.statistics()
        for direction, rate in found.items():
            print(f"{direction}: {rate / 1e6:.2f} Mbit/s of {asked[direction] / 1e6}")
            assert figures[direction]["dropped"]["packets"] > 0, "the line was not full"
            assert figures[direction]["lost"]["packets"] == 0
            assert rate == pytest.approx(asked[direction], rel=TOLERANCE)


def bytes_received(connection):
    """Of a TCP stream, in order, as its kernel counts them: tcpi_bytes_received."""
    return struct.unpack_from("Q", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136),
                              128)[0]


def tcp_goodput(link, direction, warm_up_s, seconds, congestion=None):
    """Bits a second that one TCP stream brings to its reader. Buffers for more than a second of it at
    both ends keep the kernels going while our threads wait for their turn."""
    source, target = SIDES[direction]
    listener = link.socket(target, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    listener.listen()
    sender = link.socket(source, socket.SOCK_STREAM)
    sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20)
    sender.settimeout(20)
    if congestion:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
    sender.connect(listener.getsockname())
    reader, _ = listener.accept()
    reader.settimeout(20)
    stop = threading.Event()

    def send():
        data = bytes(1 << 18)
        with contextlib.suppress(ConnectionError):  # the reader leaves first
            while not stop.is_set():
                sender.send(data)

    def read_until(deadline):
        while time.monotonic() < deadline:
            reader.recv(1 << 18)
        return time.monotonic(), bytes_received(reader)

    thread = threading.Thread(target=send)
    thread.start()
    begin, first = read_until(time.monotonic() + warm_up_s)
    end, last = read_until(begin + seconds)
    stop.set()
    reader.close()
    thread.join()
    sender.close()
    listener.close()
    return (last - first) * 8 / (end - begin)


def test_a_tcp_stream_fills_the_line_each_way():
    """Of 1500 bytes 1448 are the stream's (headers of IP and TCP, time stamps)."""
    with EmulatedLink("delay=5ms rate=50mbit queue=50ms") as link:
        for direction in SIDES:
            rate = tcp_goodput(link, direction, 1, 1.5)
            skip_if_late(link, 0.5, 5)
            possible = 50e6 * 1448 / 1500
            print(f"{direction}: {rate / 1e6:.2f} Mbit/s of {possible / 1e6:.2f}")
            assert rate == pytest.approx(possible, rel=TOLERANCE)


def test_down_and_up():
    with EmulatedLink("delay=200ms") as link:
        sender, receiver = connected_pair(link, "a_to_b")
        with sender, receiver:
            receiver.settimeout(5)
            sender.send(b"before")
            assert receiver.recv(100) == b"before"
            sender.send(b"under way")
            link.command("down link")
            sender.send(b"while down")
            link.command("up link")
            sender.send(b"after")
            assert receiver.recv(100) == b"after", "what was on a cut line never comes"
            assert link.statistics()["a_to_b"]["cut"]["packets"] == 2


def test_what_was_sent_before_a_command_knows_nothing_of_it():
    """Whatever is read first by the program: the packet, or the command that was given after it."""
    rounds = 200
    with EmulatedLink(arguments=["--tick", "1ms"]) as link:
        sender, receiver = connected_pair(link, "a_to_b")
        with sender, receiver:
            for _ in range(rounds):
                link.command("down link")
                sender.send(b"while down")
                link.command("up link")
            sender.send(b"after")
            receiver.settimeout(5)
            assert receiver.recv(100) == b"after"
            assert link.statistics()["a_to_b"]["cut"]["packets"] == rounds
            for _ in range(rounds):
                link.command("reset")
                sender.send(b"counted at once")
                assert arrived(link) == 1


def test_changes_while_it_runs():
    with EmulatedLink("delay=1ms") as link:
        fast = statistics.median(ping_ms(link, 5, 0))
        link.command("set link a-to-b delay=100ms")
        slow = statistics.median(ping_ms(link, 5, 0))
        skip_if_late(link, 0.5, 5)
        assert slow - fast == pytest.approx(99, rel=TOLERANCE)
        for wrong in ("set link both delay=1h", "set other both loss=1%", "set link both jitter=9s",
                      "nonsense"):
            with pytest.raises(ValueError):
                link.command(wrong)
        sent = subprocess.run([BIN_DIR / "imgrec-link", "--control", link.control, "--send",
                               "set link both loss=100%"], capture_output=True, text=True)
        assert (sent.returncode, sent.stdout) == (0, '{"ok":true}\n')
        assert link.statistics()["b_to_a"]["settings"]["loss"] == 1


def test_says_what_came_while_it_could_not_read():
    count = 6000  # the device holds 4096
    with EmulatedLink() as link:
        sender, receiver = connected_pair(link, "a_to_b")
        with sender, receiver:
            link.process.send_signal(signal.SIGSTOP)
            for _ in range(count):
                sender.send(b"x")
            link.process.send_signal(signal.SIGCONT)
            direction = link.statistics()["a_to_b"]
            deadline = time.monotonic() + 20
            while direction["in"]["packets"] + direction["unread"] < count:
                assert time.monotonic() < deadline, direction
                direction = link.statistics()["a_to_b"]
            assert direction["unread"] == count - 4096
            link.command("reset")
            assert link.statistics()["a_to_b"]["unread"] == 0


def test_nothing_is_sent_over_it_that_nobody_sent():
    """Kernels announce IPv6 hosts and groups on a new device; counts would be off by them."""
    with EmulatedLink() as link:
        sender, receiver = connected_pair(link, "a_to_b")
        with sender, receiver:
            sender.send(b"x" * 72)
            receiver.settimeout(5)
            receiver.recv(100)
        time.sleep(0.5)
        figures = link.statistics()
        assert figures["a_to_b"]["in"] == {"packets": 1, "bytes": 72 + HEADERS}
        assert figures["b_to_a"]["in"]["packets"] == 0


def arrived(link):
    return link.statistics()["a_to_b"]["in"]["packets"]


def test_ends_cleanly_with_every_packet_accounted_for():
    with EmulatedLink("delay=30ms loss=20% rate=5mbit queue=20ms") as link:
        assert (link.a.devices(), link.b.devices()) == (["sa"], ["sb"])
        sender, receiver = connected_pair(link, "a_to_b")
        with sender, receiver:
            for _ in range(300):
                sender.send(b"x" * 500)
            deadline = time.monotonic() + 20
            while arrived(link) < 300 and time.monotonic() < deadline:
                time.sleep(0.01)  # what was sent but not read yet would be nobody's
        code, figures = link.terminate()
        assert code == 0
        assert (link.a.devices(), link.b.devices()) == ([], [])
        direction = figures["links"][0]["a_to_b"]
        assert direction["in"]["packets"] == 300
        assert direction["dropped"]["packets"] > 0
        assert unaccounted(direction) == 0


def test_killed_it_leaves_no_device_and_the_next_one_takes_its_socket():
    with EmulatedLink() as link:
        link.process.kill()
        link.process.wait()
        assert (link.a.devices(), link.b.devices()) == ([], [])
        again = subprocess.Popen([BIN_DIR / "imgrec-link", *link.process.args[1:]],
                                 stderr=link.log.open("w"))
        try:
            deadline = time.monotonic() + 20
            while "link_ready" not in link.log.read_text() and time.monotonic() < deadline:
                assert again.poll() is None, link.log.read_text()
                time.sleep(0.01)
            assert link.statistics()["broken"] is False
        finally:
            again.send_signal(signal.SIGTERM)
            assert again.wait(20) == 0


def test_says_what_it_cannot_have():
    def run(*arguments):
        done = subprocess.run([BIN_DIR / "imgrec-link", *arguments], capture_output=True, text=True,
                              timeout=20)
        return done.returncode, done.stderr

    with Sandbox() as here:
        code, said = run("--a", f"{here.path}:x:10.0.0.1/30", "--b", "no-such-site:x:10.0.0.2/30")
        assert code == 3 and "no-such-site" in said
        code, said = run("--a", f"{here.path}:lo:10.0.0.1/30", "--b", f"{here.path}:y:10.0.0.2/30")
        assert code == 3 and "device lo" in said
    code, said = run("--a", "x:y:10.0.0.1/30", "--b", "y:y:10.0.0.2/30", "--loss", "10")
    assert code == 2 and "--loss" in said


def test_one_broken_link_stops_no_other(tmp_path):
    """Somebody deletes a device of one link; the other one, of IPv6, works on."""
    manager, lost, kept = Sandbox(), Sandbox(), Sandbox()
    links = tmp_path / "links.yaml"
    links.write_text(f"""links:
- {{name: lost, a: "{manager.path}:lost:10.201.1.1/30", b: "{lost.path}:sb:10.201.1.2/30"}}
- {{name: kept, a: "{manager.path}:kept:fd00:c9::1/126", b: "{kept.path}:sb:fd00:c9::2/126"}}
""")
    log = tmp_path / "log"
    process = subprocess.Popen([BIN_DIR / "imgrec-link", "--links", links], stderr=log.open("w"))

    def await_word(word):
        deadline = time.monotonic() + 20
        while word not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)

    try:
        await_word("link_ready")
        lost.delete_device("sb")
        await_word("link_broken name=lost")
        with manager.entered():
            sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        with kept.entered():
            receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        with sender, receiver:
            receiver.bind(("fd00:c9::2", 0))
            receiver.settimeout(5)
            sender.sendto(b"still here", receiver.getsockname())
            assert receiver.recv(100) == b"still here"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        for namespace in (manager, lost, kept):
            namespace.close()
