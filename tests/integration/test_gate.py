"""The gate itself: what it forwards, delays, slices, stalls, cuts and changes."""
import contextlib
import socket
import threading
import time

import pytest

from gate import BLACK_HOLE, FIN, FLOW, HOLD, REFUSE, RST, UNREAD, Gate

PATIENCE_S = 30


@contextlib.contextmanager
def echo_through_gate(**keywords):
    """A gate before a server that sends everything back."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    gate = Gate(server.getsockname(), **keywords)
    try:
        yield gate
    finally:
        gate.close()
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def connect(gate):
    host, port = gate.address.split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def exchange(connection, data):
    connection.sendall(data)
    return receive(connection, len(data))


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


DATA = bytes(range(256)) * 40


def test_forwards_all_bytes_in_order_and_the_end():
    with echo_through_gate() as gate, connect(gate) as connection:
        assert exchange(connection, DATA * 50) == DATA * 50
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_slices_change_nothing_but_the_pieces():
    with echo_through_gate(seed=3) as gate, connect(gate) as connection:
        gate.set("both", slices=5)
        connection.sendall(DATA[:500])
        first = connection.recv(65536)
        assert 1 <= len(first) <= 500
        assert first + receive(connection, 500 - len(first)) == DATA[:500]


def test_delays_each_way():
    with echo_through_gate() as gate, connect(gate) as connection:
        gate.set("up", delay_s=0.2)
        gate.set("down", delay_s=0.1, jitter_s=0.05)
        start = time.monotonic()
        assert exchange(connection, b"hello") == b"hello"
        assert time.monotonic() - start >= 0.3


def test_delay_does_not_limit_the_rate():
    """A long line holds many bytes: ten messages take one delay, not ten."""
    with echo_through_gate() as gate, connect(gate) as connection:
        gate.set("up", delay_s=0.5)
        start = time.monotonic()
        for number in range(10):
            connection.sendall(bytes([number]))
            time.sleep(0.01)
        assert receive(connection, 10) == bytes(range(10))
        assert time.monotonic() - start < 2.5


def test_limits_the_rate():
    with echo_through_gate() as gate, connect(gate) as connection:
        gate.set("up", rate=20_000)
        start = time.monotonic()
        assert exchange(connection, DATA[:10_000]) == DATA[:10_000]
        assert time.monotonic() - start >= 0.4


@pytest.mark.parametrize("stall", [HOLD, UNREAD])
def test_a_stall_holds_everything_back_until_it_ends(stall):
    with echo_through_gate() as gate, connect(gate) as connection:
        assert exchange(connection, b"before") == b"before"
        gate.set("up", stall=stall)
        connection.sendall(b"meanwhile")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE_S)
        gate.set("up", stall=FLOW)
        assert receive(connection, 9) == b"meanwhile"


@pytest.mark.parametrize("after", [1, 28, 29])
def test_cuts_after_so_many_bytes(after):
    with echo_through_gate() as gate:
        gate.cut_next("down", after=after, how=FIN)
        with connect(gate) as connection:
            connection.sendall(DATA)
            assert receive(connection, len(DATA)) == DATA[:after]
        with connect(gate) as connection:  # that one only
            assert exchange(connection, DATA) == DATA


def test_a_reset_is_a_reset():
    with echo_through_gate() as gate, connect(gate) as connection:
        assert exchange(connection, b"x") == b"x"
        gate.cut_all(RST)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        assert gate.counts == {"cut": 1}


def test_changes_one_bit():
    with echo_through_gate(seed=5) as gate, connect(gate) as connection:
        gate.corrupt_next("up")
        answer = exchange(connection, DATA)
        different = [(a, b) for a, b in zip(answer, DATA) if a != b]
        assert len(different) == 1 and bin(different[0][0] ^ different[0][1]).count("1") == 1
        assert exchange(connection, DATA) == DATA


def test_newcomers_may_find_nobody():
    with echo_through_gate() as gate:
        with connect(gate) as old:
            assert exchange(old, b"x") == b"x"
            gate.newcomers = BLACK_HOLE
            with connect(gate) as lost:
                lost.sendall(b"anybody there?")
                lost.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    lost.recv(1)
                assert exchange(old, b"y") == b"y"
                gate.clear()
                lost.settimeout(PATIENCE_S)
                with contextlib.suppress(ConnectionResetError):
                    assert lost.recv(1) == b""
        gate.newcomers = REFUSE
        with connect(gate) as refused, contextlib.suppress(ConnectionResetError):
            assert refused.recv(1) == b""


def test_a_filter_sees_everything_in_order():
    seen = []

    def new_filter(link, direction):
        return (lambda data: (seen.append(data), data.upper())[1]) if direction == "up" else None

    with echo_through_gate(new_filter=new_filter) as gate, connect(gate) as connection:
        assert exchange(connection, b"hello") == b"HELLO"
        assert b"".join(seen) == b"hello"
