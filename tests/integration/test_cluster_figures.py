"""What the cluster's figures say between real programs: links, latencies, history, sockets."""
import os
import pathlib
import subprocess

import pytest
import requests

from cluster import Client, wait_until
from pictures import png, png_chunk, pngs

MAKE_CERTIFICATES = pathlib.Path(__file__).resolve().parents[1] / "support/make_certificates.sh"
LINK = ["tcp_rtt_ms", "tcp_least_rtt_ms", "delivery_bits_per_s", "unacknowledged_bytes",
        "connections", "congestion_control", "congestion_window_bytes", "retransmissions", "retransmitted_share",
        "wire_out_bytes", "wire_in_bytes", "wire_out_bits_per_s", "wire_in_bits_per_s"]


def history(cluster, seconds):
    return requests.get(f"http://{cluster.http_address}/api/v1/cluster",
                        params={"history": seconds}, timeout=30)


def work(cluster, count=20):
    cluster.client.wait_done(cluster.client.upload(pngs(count)))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_each_workers_connection_is_measured_by_the_kernel(new_cluster, tmp_path, tls):
    manager, worker = [], []
    if tls:
        subprocess.run(["bash", MAKE_CERTIFICATES, tmp_path], check=True, capture_output=True)
        manager = ["--workers-tls-cert", tmp_path / "manager.pem",
                   "--workers-tls-key", tmp_path / "manager.key"]
        worker = ["--worker-tls", "--worker-tls-ca", tmp_path / "ca.pem"]
    cluster = new_cluster(manager_args=manager, worker_args=worker)
    cluster.add_workers(2)
    work(cluster)
    workers = wait_until(lambda: (found := cluster.cluster()["workers"])
                         and all(w[name] is not None for w in found for name in LINK) and found,
                         "every figure of both connections")
    for one in workers:
        assert 0 <= one["tcp_least_rtt_ms"] <= one["tcp_rtt_ms"] < 10_000, one
        assert one["delivery_bits_per_s"] > 0, one
        assert one["wire_out_bits_per_s"] > 0 and one["wire_in_bits_per_s"] > 0, one
        assert 0 < one["wire_in_bytes"] and 0 < one["wire_out_bytes"], one
    metrics = cluster.metrics()
    assert metrics["imgrec_worker_delivery_bytes_per_second"] > 0
    assert metrics['imgrec_worker_rtt_seconds{of="nearest"}'] < 10
    control = workers[0]["congestion_control"]
    assert metrics[f'imgrec_worker_connections{{congestion_control="{control}"}}'] == 2


def test_what_crossed_the_wire_is_the_sum_of_the_workers_and_only_grows(cluster):
    """Also as one of them leaves; a scrape has what crossed up to that very moment."""
    cluster.add_workers(2)
    work(cluster)
    state = cluster.cluster()
    for way in ("out", "in"):
        assert state["wire"][f"{way}_bytes"] == sum(w[f"wire_{way}_bytes"] for w in state["workers"])
    before = cluster.metrics()
    cluster.kill9_worker(cluster.workers[0])
    wait_until(lambda: len(cluster.cluster()["workers"]) == 1, "one worker to be gone")
    picture = os.urandom(1 << 20)
    cluster.client.wait_done(cluster.client.upload([("large.png", png(1)[:-12] + png_chunk(
        b"prVt", picture) + png(1)[-12:])]))
    after = cluster.metrics()
    grown = {name: after[name] - before[name] for name in before if "imgrec_worker_wire_" in name}
    assert len(grown) == 4 and all(more > 0 for more in grown.values()), grown
    sent = grown['imgrec_worker_wire_bytes_total{direction="out"}']
    assert len(picture) < sent < 1.1 * len(picture)
    history = cluster.read("/api/v1/cluster?history=600").json()["history"]
    assert len(history["wire_out_bits_per_s"]) == len(history["second"])


def test_latencies_add_up_with_what_settled(cluster):
    cluster.add_workers(1, "--delay-ms", "30")
    work(cluster, 10)
    latency = wait_until(lambda: (found := cluster.cluster()["latency"]["1m"])["images"] == 10
                         and found, "the last minute's latencies")
    for phase in ("total", "upload", "queue", "wire", "decode", "inference"):
        of = latency[phase]
        assert 0 <= of["p50_ms"] <= of["p90_ms"] <= of["p99_ms"], (phase, of)
    assert latency["inference"]["p50_ms"] >= 29
    assert latency["total"]["p99_ms"] >= 30
    metrics = cluster.metrics()
    assert metrics['imgrec_phase_duration_seconds_count{phase="total"}'] == 10
    assert metrics['imgrec_phase_duration_seconds_sum{phase="inference"}'] >= 0.3


def test_history_grows_by_a_sample_a_second_and_knows_what_happened(cluster):
    cluster.add_workers(2)
    work(cluster)
    columns = wait_until(lambda: (found := history(cluster, 600).json()["history"])
                         and len(found["second"]) >= 3 and max(found["workers"]) == 2
                         and sum(found["images_per_s"]) > 15 and found, "three samples with work")
    assert columns["second"] == sorted(set(columns["second"]))
    assert len({len(column) for column in columns.values()}) == 1
    assert max(filter(None, columns["p99_ms"])) > 0
    last = history(cluster, 1).json()
    assert len(last["history"]["second"]) == 1
    assert last["history"]["second"][0] == last["sample"]["second"]
    assert "history" not in cluster.cluster()


@pytest.mark.parametrize("seconds", ["0", "-1", "601", "x", "", "9999999999999999999999"])
def test_a_history_out_of_bounds_is_refused(cluster, seconds):
    answer = history(cluster, seconds)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "bad_parameter"


def test_every_socket_gets_each_second_once(cluster):
    """The text is made once for all: what two sockets hear of one second is the same to a letter,
    and asking again and again brings no newer one."""
    cluster.add_workers(1)
    sockets = [Client(cluster).socket() for _ in range(3)]
    heard = [{} for _ in sockets]
    for one in sockets:
        for _ in range(5):
            one.socket.send('{"type":"cluster","on":true}')

    def listen():
        for one, seconds in zip(sockets, heard):
            text = one.socket.recv()
            second = text[text.index('"sample":'):]
            seconds.setdefault(second, set()).add(text)
        return all(len(seconds) >= 4 for seconds in heard)

    wait_until(listen, "four seconds on each socket")
    for seconds in heard:
        assert all(len(texts) == 1 for texts in seconds.values()), "one text a second"
    common = set(heard[0]) & set(heard[1]) & set(heard[2])
    assert len(common) >= 2
    for second in common:
        assert heard[0][second] == heard[1][second] == heard[2][second]
    wait_until(lambda: cluster.cluster()["sockets"] == 3, "three sockets")
    for one in sockets:
        one.close()


def test_text_goes_out_compressed(cluster):
    address = f"http://{cluster.http_address}/"
    packed = requests.get(address, headers={"Accept-Encoding": "gzip"}, timeout=30)
    plain = requests.get(address, headers={"Accept-Encoding": "identity"}, timeout=30)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers["Content-Length"]) < len(plain.content)
    assert packed.headers["ETag"] != plain.headers["ETag"]
    for answer in (packed, plain):
        assert answer.headers["Vary"] == "Accept-Encoding"
    again = requests.get(address, timeout=30, headers={
        "Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]})
    assert again.status_code == 304
