"""The operations port of manager and worker: probes and metrics, for real, on ports of their own."""
import re
import signal
import socket
import subprocess
import threading

import requests

from cluster import PATIENCE_S, binary, samples_of, wait_until
from pictures import check_fake_answers, png, pngs

OPS = ["--ops-listen", "127.0.0.1:0"]
LABELS = r'\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\}'
SAMPLE = re.compile(rf"[a-z_]+({LABELS})? ([0-9.e+-]+|Nan)")


def ops_of(program):
    return program.wait_log(r"ops_listening address=(\S+)").group(1)


def get(address, path):
    return requests.get(f"http://{address}{path}", timeout=PATIENCE_S)


def ready(address):
    """(status, what it says)"""
    answer = get(address, "/readyz")
    return answer.status_code, answer.text.strip()


def metrics(address):
    """Of well-formed text: every line is a sample, or says what the next ones are."""
    answer = get(address, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in answer.text.splitlines():
        assert re.match(r"# (HELP|TYPE) \w+ ", line) or SAMPLE.fullmatch(line), line
    return samples_of(answer.text)


def pester(address, clients):
    """Connections that say nothing, little, or nonsense, and are left open."""
    host, port = address.rsplit(":", 1)
    words = [b"", b"GET /metr", b"\x16\x03\x01garbage\r\n\r\n", b"\x00" * 5000, b"GET / HTTP/9\r\n"]
    opened = []
    for i in range(clients):
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        connection.sendall(words[i % len(words)])
        opened.append(connection)
    return opened


def test_the_manager_answers_there_and_keeps_its_metrics_there(new_cluster):
    cluster = new_cluster(manager_args=OPS)
    ops = ops_of(cluster.manager)
    cluster.add_workers(1)
    cluster.client.wait_done(cluster.client.upload(pngs(3)))
    assert get(ops, "/healthz").text == "ok\n" and ready(ops) == (200, "ready")
    samples = metrics(ops)
    assert samples["imgrec_images_done_total"] == 3
    assert samples['imgrec_workers{state="ready"}'] == 1
    for path in ("/api/v1/cluster", "/", "/v2"):
        answer = get(ops, path)
        assert answer.status_code == 404 and answer.json()["code"] == "not_found"
    assert cluster.client.get("/metrics").status_code == 404
    for path in ("/healthz", "/readyz"):
        assert cluster.client.get(path).status_code == 200


def test_slow_and_senseless_clients_keep_no_probe_out(new_cluster):
    cluster = new_cluster(manager_args=OPS)
    worker = cluster.add_worker(*OPS)
    for address in (ops_of(cluster.manager), ops_of(worker)):
        opened = pester(address, 200)
        for _ in range(5):
            assert get(address, "/healthz").status_code == 200
        assert metrics(address)
        for connection in opened:
            connection.close()
    cluster.client.wait_done(cluster.client.upload(pngs(2)))


def test_a_manager_that_drains_is_not_ready_and_answers_what_is_under_way(new_cluster):
    cluster = new_cluster(manager_args=[*OPS, "--shutdown-drain", "60s"])
    ops = ops_of(cluster.manager)
    [worker] = cluster.add_workers(1)
    client = cluster.client
    worker.signal(signal.SIGSTOP)
    [held] = client.upload(pngs(1))
    wait_until(lambda: client.image(held)["state"] == "assigned", "the image to be under way")
    half_sent, sent_rest, answers = threading.Event(), threading.Event(), []

    def body():
        yield from (png(7)[:20],)
        half_sent.set()
        sent_rest.wait(PATIENCE_S)
        yield png(7)[20:]

    def upload():
        answers.append(client.http.post(
            client.url + "/api/v1/images", data=SizedBody(body(), len(png(7))),
            timeout=PATIENCE_S))

    uploader = threading.Thread(target=upload)
    uploader.start()
    assert half_sent.wait(PATIENCE_S)
    cluster.manager.signal(signal.SIGTERM)
    wait_until(lambda: ready(ops) == (503, "shutting down"), "the manager to be unready")
    assert client.get("/readyz").status_code == 503
    assert get(ops, "/healthz").status_code == 200
    sent_rest.set()
    uploader.join(PATIENCE_S)
    assert answers[0].status_code == 503 and answers[0].json()["code"] == "shutting_down"
    assert int(answers[0].headers["Retry-After"]) >= 1
    worker.signal(signal.SIGCONT)
    assert cluster.manager.wait() == 0
    cluster.restart_manager()
    check_fake_answers(client.wait_done([held]), pngs(1))


class SizedBody:
    """A body that comes in pieces, of a length that is told."""

    def __init__(self, pieces, length):
        self.pieces, self.length = pieces, length

    def __iter__(self):
        return self.pieces

    def __len__(self):
        return self.length


def test_a_worker_is_ready_while_a_manager_has_it(new_cluster):
    cluster = new_cluster()
    client = cluster.client
    cluster.kill9_manager()
    worker = cluster.add_worker(*OPS, "--delay-ms", "20")
    ops = ops_of(worker)
    wait_until(lambda: ready(ops) == (503, "not registered with a manager"), "it to be warm")
    assert get(ops, "/healthz").status_code == 200
    cluster.restart_manager()
    wait_until(lambda: ready(ops) == (200, "ready"), "it to be ready")
    client.wait_done(client.upload(pngs(3)))
    assert client.upload([("text.txt.png", png(9))])
    manager = f'{{manager="{cluster.worker_address}"}}'
    samples = wait_until(lambda: (m := metrics(ops))[
        'imgrec_worker_photos_total{result="done"}'] == 4 and m, "4 photos")
    assert samples["imgrec_worker_inference_seconds_count"] == 4
    assert samples['imgrec_worker_inference_seconds_bucket{le="0.01"}'] == 0
    assert samples["imgrec_worker_inference_seconds_sum"] >= 4 * 0.02
    assert samples[f"imgrec_worker_manager_connected{manager}"] == 1
    assert samples["imgrec_worker_reconnects_total"] == 0
    assert any(name.startswith('imgrec_worker_model_info{name="fake",') for name in samples)

    cluster.kill9_manager()
    wait_until(lambda: ready(ops)[0] == 503, "it to miss its manager")
    assert metrics(ops)[f"imgrec_worker_manager_connected{manager}"] == 0
    cluster.restart_manager()
    wait_until(lambda: ready(ops)[0] == 200, "it to be back")
    assert metrics(ops)["imgrec_worker_reconnects_total"] == 1


def test_a_worker_that_drains_is_not_ready_and_finishes(cluster):
    worker = cluster.add_worker(*OPS, "--delay-ms", "3000")
    ops = ops_of(worker)
    [held] = cluster.client.upload(pngs(1))
    wait_until(lambda: metrics(ops)["imgrec_worker_running"] == 1, "the image to be begun")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: ready(ops) == (503, "leaving"), "it to be unready")
    assert get(ops, "/healthz").status_code == 200
    assert worker.wait() == 0
    assert cluster.client.wait_done([held])[held]["worker"] == worker.name


def test_a_worker_stays_ready_while_its_model_changes(cluster, tmp_path):
    model = tmp_path / "model"
    model.write_text("name one\nend\n")
    worker = cluster.add_worker(*OPS, "--model-file", model, "--load-ms", "300")
    ops = ops_of(worker)
    wait_until(lambda: ready(ops)[0] == 200, "it to be ready")
    model.write_text("name two\nend\n")
    worker.signal(signal.SIGHUP)
    seen = set()

    def changed():
        seen.add(ready(ops))
        return any('imgrec_worker_model_info{name="two"' in name for name in metrics(ops))

    wait_until(changed, "the other model")
    worker.wait_log("model_unloaded")
    seen.add(ready(ops))
    assert seen == {(200, "ready")}


def run(program, *arguments):
    return subprocess.run([binary(program), *map(str, arguments)], capture_output=True, text=True,
                          timeout=PATIENCE_S)


def test_a_port_that_cannot_be_had_stops_the_start(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for program, *arguments in (
                ("imgrec-manager", "--port", 0, "--worker-port", 0, "--data", tmp_path),
                ("imgrec-fake-worker",)):
            ended = run(program, *arguments, "--ops-listen", address)
            assert ended.returncode == 3, (program, ended.stderr)
            assert f"cannot listen for operations on {address}" in ended.stderr
            assert "--ops-listen" in ended.stderr


def test_the_option_is_checked(tmp_path):
    for program in ("imgrec-manager", "imgrec-fake-worker"):
        assert run(program, "--check-config", "--ops-listen", "0.0.0.0:9090").returncode == 0
        assert run(program, "--check-config", "--ops-listen", "").returncode == 0
        wrong = run(program, "--check-config", "--ops-listen", "localhost")
        assert wrong.returncode == 2 and "ops.listen" in wrong.stderr, wrong.stderr
