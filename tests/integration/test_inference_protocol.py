"""The Open Inference Protocol, with the stock client where it is here, and with bytes written out."""
import base64
import concurrent.futures
import http.client
import io
import json
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest
import requests

from cluster import PATIENCE_S, wait_until
from pictures import LABELS, bomb, fake_class, png, shared_dir

MIB = 1 << 20
INFER = "/v2/models/fake/infer"
OUTPUTS = ["label", "score", "index", "probabilities"]
# A whole BMP of one pixel.
TINY = bytes.fromhex("424d3a000000000000003600000028000000010000000100000001001800000000000400"
                     "0000130b0000130b0000000000000000000012345600")


@pytest.fixture
def working(cluster):
    cluster.add_workers(1)
    return cluster


# ---- requests, by hand ----

def url(cluster, path=INFER):
    return f"http://{cluster.http_address}{path}"


def get(cluster, path):
    return requests.get(url(cluster, path), timeout=PATIENCE_S)


def post(cluster, data, headers=None, path=INFER):
    return requests.post(url(cluster, path), data=data, headers=headers, timeout=PATIENCE_S)


def tensor(*pictures, **other):
    """The input as JSON, with `other` instead of what is right."""
    return {"name": "image", "shape": [len(pictures)], "datatype": "BYTES",
            "data": [base64.b64encode(picture).decode() for picture in pictures], **other}


def request_of(*pictures, outputs=None, parameters=None, **other):
    request = {"inputs": [tensor(*pictures)], **other}
    if outputs is not None:
        request["outputs"] = outputs
    if parameters is not None:
        request["parameters"] = parameters
    return request


def infer(cluster, *pictures, **keywords):
    return post(cluster, json.dumps(request_of(*pictures, **keywords)))


def binary(elements, shape=None, size=None, header_length=None, **other):
    """(body, headers) with the elements as binary data, and what is said of them."""
    tail = b"".join(struct.pack("<I", len(e)) + e for e in elements)
    request = {"inputs": [{"name": "image", "shape": shape or [len(elements)],
                           "datatype": "BYTES",
                           "parameters": {"binary_data_size": len(tail) if size is None else size}}],
               **other}
    head = json.dumps(request).encode()
    length = len(head) if header_length is None else header_length
    return head + tail, {"Inference-Header-Content-Length": str(length)}


def read_tensors(response):
    """{name: (datatype, shape, [element…])}, whichever way the answer was sent."""
    assert response.status_code == 200, response.text
    length = response.headers.get("Inference-Header-Content-Length")
    body = response.content
    answer = json.loads(body if length is None else body[:int(length)])
    kind = "application/json" if length is None else "application/octet-stream"
    assert response.headers["Content-Type"] == kind
    tail = io.BytesIO(b"" if length is None else body[int(length):])
    tensors = {}
    for output in answer["outputs"]:
        data = output.get("data")
        if data is None:
            data = read_binary(output["datatype"],
                               tail.read(output["parameters"]["binary_data_size"]))
        tensors[output["name"]] = (output["datatype"], output["shape"], data)
    assert tail.read() == b""
    return tensors


def read_binary(datatype, data):
    if datatype != "BYTES":
        return list(struct.unpack(f"<{len(data) // 4}{'f' if datatype == 'FP32' else 'i'}", data))
    elements = []
    while data:
        size = struct.unpack("<I", data[:4])[0]
        elements.append(data[4:4 + size].decode())
        data = data[4 + size:]
    return elements


def fake_probabilities(picture):
    """1/2 for its class, 1/4 for the next one, and so on around."""
    best = fake_class(picture)
    return [0.5 ** ((i - best) % LABELS + 1) for i in range(LABELS)]


def check_fake_tensors(tensors, pictures):
    classes = [fake_class(picture) for picture in pictures]
    count = len(pictures)
    assert tensors["label"] == ("BYTES", [count], [f"fake {c}" for c in classes])
    assert tensors["score"] == ("FP32", [count], [0.5] * count)
    assert tensors["index"] == ("INT32", [count], classes)
    assert tensors["probabilities"] == (
        "FP32", [count, LABELS], [p for picture in pictures for p in fake_probabilities(picture)])


def check_refused(response, status, words):
    """In the protocol's form, and in words."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert list(answer) == ["error"]
    assert re.search(words, answer["error"]), answer["error"]


def check_nothing_is_left(cluster):
    """No image and no byte: rows, files and room in the queue are given back."""
    def empty():
        metrics = cluster.metrics()
        return (metrics["imgrec_images_open"] == 0 and metrics["imgrec_open_bytes"] == 0 and
                metrics["imgrec_stored_bytes"] == 0)

    wait_until(empty, "the images of inference requests to be gone")
    wait_until(lambda: not [f for f in (cluster.data / "images").rglob("*") if f.is_file()],
               "their files to be gone")


def check_still_well(cluster):
    picture = png(4711)
    check_fake_tensors(read_tensors(infer(cluster, picture)), [picture])
    assert cluster.manager.alive()
    cluster.check_ledger()


# ---- the server and its model ----

def test_the_server_lives_without_workers_and_is_ready_with_one(cluster):
    server = get(cluster, "/v2").json()
    assert server["name"] == "imgrec" and re.fullmatch(r"\d+\.\d+\.\d+", server["version"])
    assert server["extensions"] == ["binary_tensor_data", "classification", "statistics"]
    assert get(cluster, "/v2/health/live").status_code == 200
    assert get(cluster, "/v2/health/ready").status_code == 503
    for path in ("/v2/models/fake", "/v2/models/fake/ready", "/v2/models/fake/stats"):
        check_refused(get(cluster, path), 503, "no worker is connected")
    assert get(cluster, "/v2/models/stats").json() == {"model_stats": []}
    answer = infer(cluster, png(1))
    check_refused(answer, 503, "no worker is connected")
    assert int(answer.headers["Retry-After"]) > 0

    [worker] = cluster.add_workers(1)
    assert get(cluster, "/v2/health/ready").json() == {"ready": True}
    assert get(cluster, "/v2/models/fake/ready").json() == {"name": "fake", "ready": True}
    assert worker.terminate() == 0
    wait_until(lambda: get(cluster, "/v2/health/ready").status_code == 503, "it to be missed")
    assert get(cluster, "/v2/health/live").status_code == 200


def test_the_model_says_what_it_takes_and_gives(working):
    model = get(working, "/v2/models/fake").json()
    assert (model["name"], model["versions"], model["platform"]) == ("fake", ["1"], "imgrec")
    assert model["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert [(o["name"], o["datatype"], o["shape"]) for o in model["outputs"]] == [
        ("label", "BYTES", [-1]), ("score", "FP32", [-1]), ("index", "INT32", [-1]),
        ("probabilities", "FP32", [-1, LABELS])]
    assert "base64" in model["parameters"]["image"]
    assert get(working, "/v2/models/fake/versions/1").json() == model
    for what in ("", "/ready", "/stats"):
        check_refused(get(working, f"/v2/models/cats{what}"), 404, "no model 'cats'.*'fake'")
        check_refused(get(working, f"/v2/models/fake/versions/2{what}"), 404, "one version: 1")
    for model_path in ("/v2/models/cats/infer", "/v2/models/fake/versions/7/infer"):
        # Also where the rest of the request is wrong: the address comes first.
        check_refused(post(working, b"{", path=model_path), 404, "no model|one version")


def test_statistics_count_every_image_of_the_model(working):
    def stats():
        [model] = get(working, "/v2/models/fake/stats").json()["model_stats"]
        assert get(working, "/v2/models/stats").json()["model_stats"] == [model]
        return model

    assert stats()["inference_count"] == 0 and stats()["last_inference"] == 0
    read_tensors(infer(working, png(1), png(2)))
    after = stats()
    assert after["inference_count"] == after["execution_count"] == 2
    parts = after["inference_stats"]
    assert {parts[p]["count"] for p in ("success", "queue", "compute_input", "compute_infer",
                                        "compute_output")} == {2}
    assert parts["success"]["ns"] >= sum(parts[p]["ns"] for p in (
        "queue", "compute_input", "compute_infer", "compute_output")) > 0
    assert after["last_inference"] > 1.7e12 and after["batch_stats"] == []
    working.client.wait_done(working.client.upload([("page.png", png(3))]))
    check_refused(infer(working, png(4)[:-8]), 400, "cut short")
    parts = stats()["inference_stats"]
    assert (parts["success"]["count"], parts["fail"]["count"]) == (3, 1)


# ---- inference ----

def test_json_and_binary_in_and_out_say_the_same(working):
    pictures = [png(n) for n in range(5)]
    check_fake_tensors(read_tensors(infer(working, *pictures)), pictures)
    check_fake_tensors(read_tensors(infer(working, *pictures,
                                          parameters={"binary_data_output": True})), pictures)
    body, headers = binary(pictures)
    check_fake_tensors(read_tensors(post(working, body, headers)), pictures)
    body, headers = binary(pictures, parameters={"binary_data_output": True})
    answer = post(working, body, headers)
    assert "Inference-Header-Content-Length" in answer.headers
    check_fake_tensors(read_tensors(answer), pictures)
    check_nothing_is_left(working)
    assert working.ledger() == {"accepted": 20, "done": 20, "failed": 0, "open": 0}


def test_a_column_is_taken_and_the_id_is_given_back(working):
    column = tensor(png(1), png(2), shape=[2, 1])
    column["data"] = [[text] for text in column["data"]]
    answer = post(working, json.dumps({"id": "é \"7\"", "inputs": [column]}))
    assert answer.json()["id"] == "é \"7\"" and answer.json()["model_version"] == "1"
    assert "id" not in infer(working, png(1)).json()


def test_outputs_are_chosen_each_in_its_form(working):
    picture = png(7)
    best = fake_class(picture)
    answer = infer(working, picture, outputs=[
        {"name": "probabilities", "parameters": {"classification": 3, "binary_data": True}},
        {"name": "label"}, {"name": "index", "parameters": {"binary_data": True}}])
    assert json.loads(answer.content[:int(answer.headers["Inference-Header-Content-Length"])])[
        "outputs"][1]["data"] == [f"fake {best}"]
    tensors = read_tensors(answer)
    assert list(tensors) == ["probabilities", "label", "index"]
    assert tensors["index"][2] == [best]
    datatype, shape, classes = tensors["probabilities"]
    assert (datatype, shape) == ("BYTES", [1, 3])
    assert classes == [f"{0.5 ** (i + 1)}:{(best + i) % LABELS}:fake {(best + i) % LABELS}"
                       for i in range(3)]
    more = read_tensors(infer(working, picture, outputs=[
        {"name": "score", "parameters": {"classification": 99999}}]))
    assert more["score"][1] == [1, LABELS]


def test_curl_sends_a_photo_as_it_is(working, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    photo = tmp_path / "cat.png"
    photo.write_bytes(png(9))
    done = subprocess.run(
        ["curl", "-sS", "--fail-with-body", "--data-binary", f"@{photo}", "-H",
         "Inference-Header-Content-Length: 0", url(working)],
        capture_output=True, timeout=PATIENCE_S, check=True)
    answer = json.loads(done.stdout)
    assert answer["outputs"][0]["data"] == [f"fake {fake_class(png(9))}"]


# As tritonclient 2.6x sends them, recorded: what it adds to the head, and its order of names.
RECORDED = {
    "binary in and out": (
        b"POST /v2/models/fake/infer HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 138\r\nHost: localhost\r\nContent-Length: 200\r\n\r\n"
        b'{"inputs":[{"name":"image","shape":[1],"datatype":"BYTES","parameters":'
        b'{"binary_data_size":62}}],"parameters":{"binary_data_output":true}}'
        b"\x3a\x00\x00\x00" + TINY, OUTPUTS),
    "classification and an id": (
        b"POST /v2/models/fake/infer HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 294\r\nHost: localhost\r\nContent-Length: 356\r\n\r\n"
        b'{"id":"7","inputs":[{"name":"image","shape":[1],"datatype":"BYTES","parameters":'
        b'{"binary_data_size":62}}],"outputs":[{"name":"probabilities","parameters":'
        b'{"classification":3,"binary_data":true}},{"name":"score","parameters":'
        b'{"binary_data":false}}],"parameters":{"priority":1,"timeout":5000000}}'
        b"\x3a\x00\x00\x00" + TINY, ["probabilities", "score"]),
    "JSON in and out": (
        b"POST /v2/models/fake/infer HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: localhost\r\nContent-Length: 216\r\n\r\n"
        b'{"inputs":[{"name":"image","shape":[1],"datatype":"BYTES","data":["'
        b"Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAATCwAAEwsAAAAAAAAAAAAAEjRWAA=="
        b'"]}],"outputs":[{"name":"label","parameters":{"binary_data":false}}]}', ["label"]),
}


class Answer:
    """What http.client reads, as requests would show it."""

    def __init__(self, response):
        self.status_code, self.content = response.status, response.read()
        self.headers = dict(response.getheaders())
        self.text = self.content.decode(errors="replace")

    def json(self):
        return json.loads(self.content)


def exchange(cluster, sent):
    connection = http.client.HTTPConnection(cluster.http_address, timeout=PATIENCE_S)
    connection.connect()
    connection.sock.sendall(sent)
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    answer = Answer(response)
    connection.close()
    return answer


@pytest.mark.parametrize("what", RECORDED)
def test_recorded_requests_of_a_stock_client(working, what):
    sent, outputs = RECORDED[what]
    tensors = read_tensors(exchange(working, sent))
    assert list(tensors) == outputs
    best = fake_class(TINY)
    if "label" in tensors:
        assert tensors["label"] == ("BYTES", [1], [f"fake {best}"])
    if what == "classification and an id":
        assert tensors["probabilities"][2][0] == f"0.5:{best}:fake {best}"


# ---- whose the images are ----

def test_images_of_an_inference_are_nobodys_and_go_with_its_answer(working):
    client = working.client
    socket = client.socket()
    answer = client.post(INFER, data=json.dumps(request_of(png(1))))
    assert answer.status_code == 200 and "Set-Cookie" not in answer.headers
    assert client.images() == []
    check_nothing_is_left(working)
    assert socket.next(timeout_s=0.3) is None
    assert working.ledger() == {"accepted": 1, "done": 1, "failed": 0, "open": 0}


def test_who_is_not_answered_in_time_leaves_no_work_behind(new_cluster):
    cluster = new_cluster(worker_args=["--delay-ms", "700"])
    cluster.add_workers(1)
    answer = infer(cluster, *[png(n) for n in range(8)], parameters={"timeout": 150_000})
    check_refused(answer, 503, "not answered within 150 ms")
    assert int(answer.headers["Retry-After"]) > 0
    check_nothing_is_left(cluster)
    ledger = cluster.ledger()
    assert ledger["accepted"] == 8 and ledger["failed"] >= 7 and ledger["open"] == 0
    assert get(cluster, "/v2/models/fake/stats").json()["model_stats"][0]["inference_stats"][
        "fail"]["count"] >= 7
    # The next one does not wait for what was given up: at most for what had begun.
    read_tensors(infer(cluster, png(99), parameters={"timeout": 60_000_000, "priority": 3}))


def test_a_crash_leaves_nothing_of_an_inference(new_cluster):
    cluster = new_cluster()
    [worker] = cluster.add_workers(1)
    kept = cluster.client.upload([("kept.png", png(1))])
    cluster.client.wait_done(kept)
    worker.signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(infer, cluster, png(2), png(3))
        wait_until(lambda: cluster.ledger()["open"] == 2, "the inference to be accepted")
        cluster.kill9_manager()
        with pytest.raises(requests.exceptions.ConnectionError):
            call.result()
    cluster.kill9_worker(worker)
    cluster.restart_manager()
    assert cluster.ledger() == {"accepted": 3, "done": 1, "failed": 2, "open": 0}
    assert cluster.metrics()["imgrec_stored_bytes"] == len(png(1))
    assert [i["id"] for i in cluster.client.images()] == kept
    assert "transient_images_removed count=2" in cluster.manager.log()


def test_a_full_queue_is_429_and_says_when_to_come_back(new_cluster):
    cluster = new_cluster(manager_args=["--scheduler-max-open", "2"])
    [worker] = cluster.add_workers(1)
    worker.signal(signal.SIGSTOP)
    cluster.client.upload([("a.png", png(1))])
    Other = type(cluster.client)
    Other(cluster).upload([("b.png", png(2))])
    answer = infer(cluster, png(3))
    check_refused(answer, 429, "so many images wait")
    assert int(answer.headers["Retry-After"]) > 0
    worker.signal(signal.SIGCONT)
    wait_until(lambda: cluster.ledger()["open"] == 0, "the queue to be empty")
    read_tensors(infer(cluster, png(3)))


def test_shutting_down_answers_who_waits(new_cluster):
    cluster = new_cluster(manager_args=["--shutdown-drain", "1s"])
    [worker] = cluster.add_workers(1)
    worker.signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(infer, cluster, png(1))
        wait_until(lambda: cluster.ledger()["open"] == 1, "the inference to be accepted")
        cluster.manager.signal(signal.SIGTERM)
        check_refused(call.result(), 503, "shutting down")
    assert cluster.manager.wait() == 0
    cluster.kill9_worker(worker)
    cluster.restart_manager()
    assert cluster.ledger() == {"accepted": 1, "done": 0, "failed": 1, "open": 0}


# ---- models of many classes ----

def test_probabilities_are_all_up_to_a_thousand_classes(new_cluster):
    cluster = new_cluster(worker_args=["--labels", "1000"])
    cluster.add_workers(1)
    tensors = read_tensors(infer(cluster, png(1), png(2), parameters={"binary_data_output": True}))
    datatype, shape, data = tensors["probabilities"]
    assert (datatype, shape, len(data)) == ("FP32", [2, 1000], 2000)
    best = tensors["index"][2][0]
    assert data[best] == max(data[:1000]) == 0.5
    assert data[(best + 120) % 1000] == 0.5 ** 121, "also those behind the usual hundred"


def test_more_classes_are_asked_for_by_classification(new_cluster):
    cluster = new_cluster(worker_args=["--labels", "5000"])
    cluster.add_workers(1)
    names = [o["name"] for o in get(cluster, "/v2/models/fake").json()["outputs"]]
    assert names == OUTPUTS[:3]
    assert list(read_tensors(infer(cluster, png(1)))) == OUTPUTS[:3]
    check_refused(infer(cluster, png(1), outputs=[{"name": "probabilities"}]), 400,
                  "5000 classes.*classification")
    best = {"name": "label", "parameters": {"classification": 1000}}
    assert read_tensors(infer(cluster, png(1), outputs=[best]))["label"][1] == [1, 1000]
    best["parameters"]["classification"] = 1001
    check_refused(infer(cluster, png(1), outputs=[best]), 400, "ask for fewer")


# ---- what is wrong is said ----

def test_the_front_speaks_this_protocol_too(new_cluster, tmp_path):
    token = tmp_path / "token"
    token.write_text("t" * 40)
    cluster = new_cluster(manager_args=["--http-token-file", token])
    cluster.operator = {"Authorization": "Bearer " + "t" * 40}
    for method, path in (("GET", "/v2"), ("GET", "/v2/models/fake"), ("POST", INFER)):
        answer = requests.request(method, url(cluster, path), timeout=PATIENCE_S)
        check_refused(answer, 401, "access token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert get(cluster, "/v2/health/live").status_code == 200
    assert get(cluster, "/v2/health/ready").status_code == 503
    bearer = {"Authorization": "Bearer " + "t" * 40}
    assert requests.get(url(cluster, "/v2"), headers=bearer, timeout=PATIENCE_S).status_code == 200
    check_refused(post(cluster, b"", {**bearer, "Origin": "http://evil.example"}), 403, "another")
    for method, path in (("GET", INFER), ("POST", "/v2"), ("DELETE", "/v2/models/fake")):
        answer = requests.request(method, url(cluster, path), headers=bearer, timeout=PATIENCE_S)
        check_refused(answer, 405, "this address takes")
        assert answer.headers["Allow"]
    for method, path in (("GET", "/v2/nothing"), ("POST", "/v2/repository/index"),
                         ("GET", "/v2/models/fake/config"), ("GET", "/v2/models//infer")):
        answer = requests.request(method, url(cluster, path), headers=bearer, timeout=PATIENCE_S)
        check_refused(answer, 404, "nothing at this address")


def test_a_rate_is_kept_in_this_protocols_words(new_cluster):
    cluster = new_cluster(manager_args=["--http-rate-limit", "1", "--http-rate-burst", "1"])
    answers = [get(cluster, "/v2") for _ in range(6)]
    refused = next(a for a in answers if a.status_code == 429)
    check_refused(refused, 429, "more requests than it may")
    assert int(refused.headers["Retry-After"]) > 0
    assert {get(cluster, "/v2/health/live").status_code for _ in range(5)} == {200}
    wait_until(lambda: get(cluster, "/metrics").status_code == 200, "the rate to allow one")
    cluster.check_ledger = lambda: None  # it asks for more than the rate


# what: (status, words, body, headers)
PICTURE = png(1)
BAD_REQUESTS = {
    "nothing": (400, "malformed at byte", b"", {}),
    "a picture without the header": (400, "Inference-Header-Content-Length: 0", PICTURE, {}),
    "half a JSON": (400, "malformed at byte", json.dumps(request_of(PICTURE))[:-2], {}),
    "no UTF-8": (400, "malformed at byte", b'{"id":"\xff"}', {}),
    "deep arrays": (400, "nested more than 8", b"[" * 2_000_000, {}),
    "deep objects": (400, "nested more than 8", b'{"a":' * 400_000, {}),
    "millions of numbers": (400, "more than 4096 values", b"[" + b"0," * 8_000_000 + b"0]", {}),
    "a number without end": (400, "malformed|whole number",
                             b'{"parameters":{"timeout":' + b"9" * 1_000_000 + b"}}", {}),
    "a name twice": (400, "twice", b'{"inputs":[],"inputs":[]}', {}),
    "no object": (400, "JSON object", b"[]", {}),
    "no inputs": (400, "'inputs'", b"{}", {}),
    "two inputs": (400, "one input", json.dumps({"inputs": [tensor(PICTURE)] * 2}), {}),
    "an unknown input": (400, "no input 'data'",
                         json.dumps({"inputs": [tensor(PICTURE, name="data")]}), {}),
    "another datatype": (400, "BYTES", json.dumps({"inputs": [tensor(PICTURE, datatype="UINT8")]}),
                         {}),
    "a shape of two": (400, "shape", json.dumps({"inputs": [tensor(PICTURE, shape=[2])]}), {}),
    "a shape below zero": (400, "shape", json.dumps({"inputs": [tensor(PICTURE, shape=[-1])]}), {}),
    "an empty shape": (400, "shape", json.dumps({"inputs": [tensor(shape=[])]}), {}),
    "no element": (400, "no picture", json.dumps({"inputs": [tensor()]}), {}),
    "a shape that overflows": (413, "at most 128", json.dumps(
        {"inputs": [tensor(PICTURE, shape=[1 << 32, 1 << 32])]}), {}),
    "a shape of pixels": (400, r"\[N\]", json.dumps(
        {"inputs": [tensor(PICTURE, shape=[1, 224, 224, 3])]}), {}),
    "more elements than said": (400, "more elements|of 1 elements",
                                json.dumps({"inputs": [tensor(*[PICTURE] * 300, shape=[1])]}), {}),
    "too many pictures": (413, "at most 128", json.dumps({"inputs": [tensor(*[TINY] * 129)]}), {}),
    "no base64": (400, "no base64", json.dumps({"inputs": [tensor(PICTURE, data=["%&"])]}), {}),
    "numbers for pictures": (400, "base64", json.dumps({"inputs": [tensor(PICTURE, data=[1])]}),
                             {}),
    "an unknown output": (400, "no output 'logits'.*'probabilities'",
                          json.dumps(request_of(PICTURE, outputs=[{"name": "logits"}])), {}),
    "an output twice": (400, "twice", json.dumps(
        request_of(PICTURE, outputs=[{"name": "label"}, {"name": "label"}])), {}),
    "fewer than no classes": (400, "whole number", json.dumps(request_of(PICTURE, outputs=[
        {"name": "label", "parameters": {"classification": -1}}])), {}),
    "a timeout below zero": (400, "'timeout'", json.dumps(
        request_of(PICTURE, parameters={"timeout": -5})), {}),
    "shared memory": (400, "shared memory is not supported", json.dumps({"inputs": [tensor(
        PICTURE, data=None, parameters={"shared_memory_region": "r",
                                        "shared_memory_byte_size": 9})]}), {}),
    "binary data without its header": (400, "Inference-Header-Content-Length",
                                       binary([PICTURE])[0].split(b"\x00")[0][:-1], {}),
    "binary size too small": (400, "bytes follow", *binary([PICTURE], size=5)),
    "binary size too large": (400, "bytes follow", *binary([PICTURE], size=1 << 40)),
    "a binary size of no 64 bits": (400, "whole number", *binary([PICTURE], size=1 << 64)),
    "elements that are not there": (400, "element 1", *binary([PICTURE], shape=[2])),
    "elements that nobody asked for": (400, "bytes are left", *binary([PICTURE] * 2, shape=[1])),
    "a header length of part": (400, "malformed", *binary([PICTURE], header_length=20)),
    "a header length beyond the body": (400, "at most that of the body",
                                        *binary([PICTURE], header_length=1 << 20)),
    "a header length below zero": (400, "must be the length", *binary([PICTURE],
                                                                      header_length=-1)),
    "a header length of no 64 bits": (400, "must be the length", *binary([PICTURE],
                                                                         header_length=1 << 70)),
    "a compressed body": (415, "send it as it is", b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}),
    "an empty picture": (400, "empty|no bytes|nothing", b"",
                         {"Inference-Header-Content-Length": "0"}),
    "text": (400, r"\w+ \w+", b"this is no picture", {"Inference-Header-Content-Length": "0"}),
    "the second is text": (400, "element 1: ", json.dumps(request_of(PICTURE, b"text")), {}),
    "a picture of 144 megapixels": (400, "12000 x 12000", json.dumps(request_of(bomb())), {}),
    "a picture that is too large": (413, r"21\.\d MiB", PICTURE + b"\0" * (21 * MIB),
                                    {"Inference-Header-Content-Length": "0"}),
    "a picture that is cut short": (400, "cut short", json.dumps(request_of(PICTURE[:-9])), {}),
}


def test_bad_requests_are_refused_in_words_and_the_server_goes_on(working):
    for what, (status, words, body, headers) in BAD_REQUESTS.items():
        answer = post(working, body, headers)
        assert answer.status_code == status, f"{what}: {answer.status_code} {answer.text[:300]}"
        check_refused(answer, status, words)
    check_still_well(working)
    # Only one of them was a picture, by its header.
    assert working.ledger()["failed"] == 1
    check_nothing_is_left(working)


def test_a_header_length_that_is_given_twice_is_refused(working):
    sent, _ = RECORDED["binary in and out"]
    twice = sent.replace(b"Host:", b"Inference-Header-Content-Length: 0\r\nHost:")
    check_refused(exchange(working, twice), 400, "more than once")
    check_still_well(working)


def test_bad_requests_at_once_take_little_memory(working):
    check_still_well(working)
    if working.manager.sanitized():
        pytest.skip("sanitizers keep what was freed")
    before = working.manager.resident_kib()
    bodies = [b"[" * (8 * MIB), b"[" + b"{}," * (2 * MIB), b'{"id":"' + b"a" * (8 * MIB) + b'"}',
              b'{"a":[' + b'"",' * (2 * MIB)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: post(working, body), bodies * 3))
    assert {answer.status_code for answer in answers} == {400}
    assert working.manager.resident_kib() - before < 200 * 1024
    check_still_well(working)


def test_long_json_holds_up_nobody_else(working):
    body = b'{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["' + \
        b"Z" * ((6 if working.manager.sanitized() else 24) * MIB) + b'"]}]}'
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        calls = [pool.submit(post, working, body) for _ in range(4)]
        longest = 0
        while not all(call.done() for call in calls):
            asked = time.monotonic()
            assert get(working, "/healthz").status_code == 200
            longest = max(longest, time.monotonic() - asked)
            time.sleep(0.01)
        took = time.monotonic() - began
    for call in calls:
        check_refused(call.result(), 400, r"\w+ \w+")
    print(f"\nlongest wait {longest:.3f} s while {took:.1f} s of JSON were read")
    assert longest < took / 4


# ---- the stock client ----

@pytest.fixture
def triton():
    return pytest.importorskip(
        "tritonclient.http", reason="tritonclient is not here (ci/test-tools.sh)")


@pytest.fixture
def stock(triton, working):
    client = triton.InferenceServerClient(working.http_address, network_timeout=PATIENCE_S,
                                          connection_timeout=PATIENCE_S)
    yield client
    client.close()


def stock_input(triton, pictures, binary_data):
    import numpy

    given = triton.InferInput("image", [len(pictures)], "BYTES")
    texts = pictures if binary_data else [base64.b64encode(p) for p in pictures]
    given.set_data_from_numpy(numpy.array(texts, dtype=numpy.object_), binary_data=binary_data)
    return given


def test_stock_client_finds_its_way_about(stock, working):
    assert stock.is_server_live() and stock.is_server_ready()
    assert stock.is_model_ready("fake") and stock.is_model_ready("fake", "1")
    assert not stock.is_model_ready("cats") and not stock.is_model_ready("fake", "2")
    assert "binary_tensor_data" in stock.get_server_metadata()["extensions"]
    assert stock.get_model_metadata("fake")["inputs"][0]["name"] == "image"
    assert stock.get_model_metadata("fake", "1")["versions"] == ["1"]
    assert stock.get_inference_statistics("fake")["model_stats"][0]["inference_count"] == 0
    assert len(stock.get_inference_statistics()["model_stats"]) == 1


@pytest.mark.parametrize("binary_data", [True, False])
def test_stock_client_infers(triton, stock, working, binary_data):
    pictures = [png(n) for n in range(3)]
    given = stock_input(triton, pictures, binary_data)
    classes = [fake_class(picture) for picture in pictures]
    for outputs in (None, [triton.InferRequestedOutput(name, binary_data=binary_data)
                           for name in OUTPUTS]):
        result = stock.infer("fake", [given], outputs=outputs, request_id="r1")
        assert result.get_response()["id"] == "r1"
        labels = [label.decode() if isinstance(label, bytes) else label
                  for label in result.as_numpy("label")]
        assert labels == [f"fake {c}" for c in classes]
        assert result.as_numpy("index").tolist() == classes
        assert result.as_numpy("score").tolist() == [0.5] * 3
        assert result.as_numpy("probabilities").shape == (3, LABELS)
        assert result.as_numpy("probabilities").tolist() == [
            fake_probabilities(picture) for picture in pictures]
    check_nothing_is_left(working)


def test_stock_client_classifies_and_calls_without_waiting(triton, stock, working):
    pictures = [png(n) for n in range(2)]
    output = triton.InferRequestedOutput("probabilities", class_count=2)
    calls = [stock.async_infer("fake", [stock_input(triton, pictures, True)], outputs=[output],
                               timeout=30_000_000, priority=1) for _ in range(8)]
    for call in calls:
        classes = call.get_result().as_numpy("probabilities")
        assert classes.shape == (2, 2)
        for row, picture in zip(classes, pictures):
            score, index, label = row[0].decode().split(":")
            assert (float(score), int(index)) == (0.5, fake_class(picture))
            assert label == f"fake {index}"


def test_stock_client_hears_what_is_wrong(triton, stock, working):
    from tritonclient.utils import InferenceServerException

    def error(*arguments, **keywords):
        with pytest.raises(InferenceServerException) as raised:
            stock.infer(*arguments, **keywords)
        return f"{raised.value.status()} {raised.value.message()}"

    good = stock_input(triton, [png(1)], True)
    assert re.search("^404 there is no model 'cats'", error("cats", [good]))
    assert re.search("^404 the model has one version", error("fake", [good], model_version="2"))
    assert re.search("^400 there is no output 'x'", error(
        "fake", [good], outputs=[triton.InferRequestedOutput("x")]))
    assert re.search("^400 ", error("fake", [stock_input(triton, [b"text"], True)]))
    assert re.search("^415 the body is compressed", error(
        "fake", [good], request_compression_algorithm="gzip"))
    with pytest.raises(InferenceServerException) as raised:
        stock.get_model_config("fake")
    assert "nothing at this address" in raised.value.message()
    assert stock.infer("fake", [good]).as_numpy("index").tolist() == [fake_class(png(1))]


# ---- real photos ----

def test_real_photos_get_the_answers_that_opencv_gives(new_cluster, photos, model):
    lines = (shared_dir() / "data" / "photos" / "reference.tsv").read_text().splitlines()
    reference = {row[0]: [cell.split(":") for cell in row[1:]]
                 for row in (line.split("\t") for line in lines[1:])}
    cluster = new_cluster(worker="imgrec-worker", worker_args=["--model", model])
    cluster.add_workers(2)
    name = cluster.cluster()["model"]["name"]
    path = f"/v2/models/{name}/infer"
    same, largest = 0, 0.0
    for first in range(0, len(photos), 20):
        some = photos[first:first + 20]
        body, headers = binary([data for _, data in some],
                               parameters={"binary_data_output": True})
        tensors = read_tensors(post(cluster, body, headers, path))
        classes = tensors["probabilities"][1][1]
        rows = [tensors["probabilities"][2][i * classes:(i + 1) * classes]
                for i in range(len(some))]
        for i, (photo, _) in enumerate(some):
            assert abs(sum(rows[i]) - 1) < 1e-3, "every class is there"
            assert rows[i][tensors["index"][2][i]] == tensors["score"][2][i] == max(rows[i])
            synset, score = reference[photo][0]
            if tensors["label"][2][i].startswith(synset):
                same += 1
                largest = max(largest, abs(tensors["score"][2][i] - float(score)))
    print(f"\n{len(photos)} photos over the Open Inference Protocol: top-1 as the reference {same}, "
          f"largest difference of its probability {largest:.5f}")
    assert same >= 99 and largest <= 0.02
    check_nothing_is_left(cluster)


# ---- the manual ----

MANUAL = pathlib.Path(__file__).resolve().parents[2] / "docs" / "inference-protocol.md"


@pytest.fixture
def as_a_reader(working, tmp_path):
    """A function that runs something of the manual, in a folder with a photo."""
    (tmp_path / "cat.jpg").write_bytes(png(11))

    def run(command, text):
        text = text.replace("localhost:8080", working.http_address)
        text = text.replace("bvlc_googlenet", "fake")
        done = subprocess.run([*command, text], cwd=tmp_path, capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    return run


def test_the_manuals_commands_do_what_it_says(as_a_reader):
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    commands = [line[4:] for line in MANUAL.read_text().splitlines() if line.startswith("    ")
                and line[4:].startswith(("curl", "printf"))]
    assert len(commands) == 7
    script = [re.sub("^curl", "curl -f -sS", command) for command in commands]
    said = as_a_reader(["bash", "-euo", "pipefail", "-c"], "\n".join(script))
    best = fake_class(png(11))
    assert f'"data":["fake {best}"]' in said and f'"data":["0.5:{best}:fake {best}",' in said
    assert '"ready":true' in said and '"inference_count":2' in said


def test_the_manuals_program_does_what_it_says(triton, as_a_reader):
    program = re.search(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)[1]
    said = as_a_reader([sys.executable, "-c"], program).splitlines()
    assert len(said) == 5 and said[0] == f"0.500 fake {fake_class(png(11))}"


def test_long_requests_of_clients_that_leave_are_bounded(cluster):
    """The server counts a body while its connection lives; what is still to be read afterwards has
    a bound of its own."""
    cluster.add_workers(1)
    host, port = cluster.http_address.rsplit(":", 1)
    body = b'{"inputs":[' + b'{"name":"image","shape":[1],"datatype":"BYTES","data":["' + \
        b"\\u0041" * (2 << 20) + b'"]}]}'  # slow to read
    head = (f"POST /v2/models/fake/infer HTTP/1.1\r\nHost: {cluster.http_address}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    before, most = cluster.manager.resident_kib(), 0
    for _ in range(20 if cluster.manager.sanitized() else 150):  # 1.8 GiB in all
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head + body)
        most = max(most, cluster.manager.resident_kib())
    print(f"at most {(most - before) >> 10} MiB more")
    if not cluster.manager.sanitized():
        assert most - before < 650 << 10, f"{(most - before) >> 10} MiB"
    client = cluster.client
    wait_until(lambda: client.post("/v2/models/fake/infer", data=png(1), headers={
        "Inference-Header-Content-Length": "0"}).status_code == 200, "an inference to pass")
