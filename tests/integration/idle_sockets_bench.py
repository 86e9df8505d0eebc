#!/usr/bin/env python3
"""Thousands of pages that are open and wait: what each costs the manager, and how soon a result
reaches one of them. Prints figures; asserts only that every socket stays and the result comes.

    IMGREC_BIN_DIR=build/release/bin tests/python.sh tests/integration/idle_sockets_bench.py [--sockets N]
"""
import argparse
import base64
import os
import resource
import secrets
import selectors
import socket
import statistics
import tempfile
import time

from cluster import Cluster
from pictures import png
from sockets import ResultSocket


def open_socket(address, session):
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=60)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall((f"GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n"
                        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        f"Sec-WebSocket-Key: {key}\r\nX-Session: {session}\r\n\r\n").encode())
    answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    connection.setblocking(False)
    return connection


def count_closed(connections):
    """Of sockets that have something to read: those at their end."""
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection, selectors.EVENT_READ)
    closed = 0
    for key, _ in selector.select(0):
        try:
            closed += key.fileobj.recv(65536) == b""
        except OSError:
            closed += 1
    selector.close()
    return closed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--results", type=int, default=50)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(directory, manager_args=["--http-max-connections-per-address", "0"])
        cluster.start()
        cluster.add_workers(1)
        before = cluster.manager.resident_kib()
        started = time.monotonic()
        idle = [open_socket(cluster.http_address, secrets.token_hex(16))
                for _ in range(arguments.sockets)]
        opened = time.monotonic() - started
        after = cluster.manager.resident_kib()
        live = ResultSocket(cluster.http_address, cluster.client.session)
        waits = []
        for number in range(arguments.results):
            start = time.monotonic()
            cluster.client.upload([(f"{number}.png", png(number))])
            live.read_images(number + 1)
            waits.append((time.monotonic() - start) * 1000)
        closed = count_closed(idle)
        print(f"{arguments.sockets} idle sockets, opened in {opened:.1f} s: "
              f"{(after - before) / arguments.sockets:.1f} KiB of memory each "
              f"({before / 1024:.0f} MiB before, {after / 1024:.0f} MiB after)")
        print(f"upload to result on the socket of its session, {arguments.results} times: median "
              f"{statistics.median(waits):.1f} ms, worst {max(waits):.1f} ms")
        print(f"closed meanwhile: {closed}")
        assert closed == 0
        live.close()
        for connection in idle:
            connection.close()
        cluster.close()


if __name__ == "__main__":
    main()
