"""What imgrec-link carries on this machine, and what it costs: one TCP stream from a to b over a link of
each rate, looking at packets as they come and by ticks, and beside busy programs; then over a line that
loses packets. As root:

    IMGREC_BIN_DIR=build/release/bin /usr/bin/python3 tests/integration/link_bench.py [--seconds 3]

CPU is that of imgrec-link: it does the work of the kernels at both ends too, since a packet written to
a TUN device is received within the call.
"""
import argparse
import os
import subprocess
import sys

from link_emulator import EmulatedLink
from test_link import tcp_goodput

HEAD = "    rate    Mbit/s     CPU  us per Mbit     p50     p99      max  unread  (lateness in us)"
RATES = ("10mbit", "100mbit", "300mbit", "1gbit", "0")


def measure(rate, seconds, tick):
    with EmulatedLink(f"delay=5ms queue=20ms rate={rate}", arguments=["--tick", tick]) as link:
        tcp_goodput(link, "a_to_b", 0.5, 0.1)  # memory is there afterwards
        link.command("reset")
        goodput = tcp_goodput(link, "a_to_b", 0.5, seconds)
        figures = link.statistics()
    forward = figures["a_to_b"]
    mbit = forward["delivered"]["bytes"] * 8 / 1e6
    late = forward["lateness_ms"]
    print(f"{rate:>8}  {goodput / 1e6:8.1f}  {figures['cpu_seconds'] / figures['seconds']:6.1%}  "
          f"{figures['cpu_seconds'] / mbit * 1e6:10.1f}  {late['p50'] * 1e3:6.0f}  "
          f"{late['p99'] * 1e3:6.0f}  {late['max'] * 1e3:7.0f}  {forward['unread']:6d}", flush=True)


def lossy(congestion, loss, seconds):
    """Of what is sent at 100 Mbit/s a share is lost on the line: 1 - loss is the most there is."""
    with EmulatedLink("delay=1ms rate=100mbit queue=100ms", a_to_b=f"loss={loss}") as link:
        try:
            goodput = tcp_goodput(link, "a_to_b", 1, seconds, congestion)
        except OSError as error:
            print(f"{congestion:>8}  {loss:>4}  {error.strerror}")
            return
    print(f"{congestion:>8}  {loss:>4}  {goodput / 1e6:8.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    for busy, tick in ((0, "0"), (0, "250us"), (0, "1ms"), (os.cpu_count(), "0")):
        print(f"tick {tick}, {busy} busy programs beside it on {os.cpu_count()} cores, "
              f"load {os.getloadavg()[0]:.1f}")
        print(HEAD)
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            for rate in RATES:
                measure(rate, arguments.seconds, tick)
        finally:
            for other in others:
                other.kill()
                other.wait()
    print("100 Mbit/s, round trip 2 ms, loss one way\n     TCP  loss    Mbit/s")
    for congestion in ("cubic", "bbr"):
        for loss in ("1%", "5%", "15%"):
            lossy(congestion, loss, arguments.seconds)


if __name__ == "__main__":
    main()
