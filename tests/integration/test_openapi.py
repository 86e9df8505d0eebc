"""The API's own document against the running server: every path, every status, every example."""
import base64
import json
import signal

import pytest
import requests

from cluster import PATIENCE_S, wait_until
from disk import small_disk  # noqa: F401 (a fixture)
from openapi import ApiDocument, media_examples
from pictures import bomb, png, pngs

TOKEN = "t" * 40
MODEL = "fake"  # what the fake workers call theirs
INFER = [f"/v2/models/{MODEL}/infer", f"/v2/models/{MODEL}/versions/1/infer"]
PHOTO = {"Inference-Header-Content-Length": "0"}  # the body is one
PROBES = {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"}


@pytest.fixture(scope="module")
def document():
    """Read from the first cluster; shared by all tests, so that the last one sees what all saw."""
    return {}


@pytest.fixture
def api(new_cluster, document):
    """A function that starts a cluster, all of whose client's answers are checked."""
    def start(*manager_args, **keywords):
        cluster = new_cluster(manager_args=list(manager_args), **keywords)
        if not document:
            answer = requests.get(f"http://{cluster.http_address}/api/v1/openapi.json", timeout=60)
            document["api"] = ApiDocument(answer.json())
        cluster.client.http.hooks["response"].append(document["api"].check)
        return cluster
    return start


def concrete(path, image_id="0" * 32):
    return path.replace("{id}", image_id).replace("{model}", MODEL).replace("{version}", "1")


def call(client, method, path, **keywords):
    return client.http.request(method, client.url + path, timeout=PATIENCE_S, **keywords)


def test_the_document_is_valid_and_so_are_its_examples(api, document):
    cluster = api()
    answer = cluster.client.get("/api/v1/openapi.json")
    assert answer.json()["openapi"].startswith("3.1.")
    examples = list(media_examples(answer.json()))
    assert len(examples) > 20
    for example, schema in examples:
        document["api"].validate(example, schema)
    operations = [operation for _, _, operation in document["api"].operations()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in operations)
    try:
        from openapi_spec_validator import validate
    except ImportError:
        pytest.skip("the rest passed; openapi-spec-validator is not here (ci/test-tools.sh)")
    validate(answer.json())


def test_every_address_takes_the_methods_of_the_document_and_no_other(api, document):
    client = api().client
    for path, item in document["api"].document["paths"].items():
        answer = call(client, "OPTIONS", concrete(path))
        assert answer.status_code == 204
        allowed = set(answer.headers["Allow"].split(", "))
        listed = {method.upper() for method in item if method != "parameters"}
        assert allowed - {"HEAD", "OPTIONS"} == listed, path
        assert ("HEAD" in allowed) == ("GET" in listed) or path == "/ws"
        for method in {"PUT", "PATCH", "DELETE", "POST", "GET"} - allowed:
            refused = call(client, method, concrete(path))
            assert refused.status_code == 405, (method, path, refused.text)
            assert set(refused.headers["Allow"].split(", ")) == allowed
        if "HEAD" in allowed:
            head, get = call(client, "HEAD", concrete(path)), call(client, "GET", concrete(path))
            assert head.status_code == get.status_code and head.content == b""


def test_images(api):
    cluster = api()
    cluster.add_workers(1)
    client = cluster.client
    [image_id] = client.upload(pngs(1))
    client.wait_done([image_id])
    image = f"/api/v1/images/{image_id}"
    assert call(client, "GET", image + "?top=3").status_code == 200
    assert call(client, "GET", "/api/v1/images?limit=1").status_code == 200
    content = call(client, "GET", image + "/content")
    assert content.content == png(0)
    etag = content.headers["ETag"]
    for headers, status in (({"Range": "bytes=1-3"}, 206), ({"If-None-Match": etag}, 304),
                            ({"Range": "bytes=999999-"}, 416)):
        for path in (image + "/content", f"/upload/{image_id}"):
            assert call(client, "GET", path, headers=headers).status_code == status
    raw = call(client, "POST", "/api/v1/images?wait=10", data=png(3))
    assert raw.status_code == 202 and raw.json()["images"][0]["state"] == "done"

    for path in (image, "/api/v1/images"):
        assert call(client, "GET", path + "?top=0").status_code == 400
    assert call(client, "POST", "/api/v1/images?wait=x", data=png(3)).status_code == 400
    for data, status in ((b"text", 415), (bomb(), 422), (png(1) + b"\0" * (21 << 20), 413)):
        assert call(client, "POST", "/api/v1/images", data=data).status_code == status
    assert call(client, "POST", "/api/task", data=png(4)).json()["code"] == 100
    assert call(client, "GET", f"/upload/{image_id}").status_code == 200

    assert call(client, "DELETE", image).status_code == 204
    for method, path in (("GET", image), ("DELETE", image), ("GET", image + "/content"),
                         ("GET", f"/upload/{image_id}")):
        assert call(client, method, path).status_code == 404


def test_a_session_that_is_none(api, document):
    client = api().client
    for method, path, operation in document["api"].operations():
        item = document["api"].document["paths"][path]
        parameters = [*operation.get("parameters", []), *item.get("parameters", [])]
        if not any(p.get("$ref", "").endswith("/session") for p in parameters):
            continue
        bad = {"X-Session": "short"}
        answer = (upgrade(client, **bad) if path == "/ws" else
                  call(client, method, concrete(path), headers=bad))
        assert answer.status_code == 400, (method, path)


def test_other_sites_pages(api, document):
    client = api().client
    for method, path, operation in document["api"].operations():
        if "403" not in operation["responses"] or path == "/ws":
            continue
        answer = call(client, method, concrete(path), headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403, (method, path)


def test_operations(api):
    cluster = api()
    cluster.add_workers(1)
    client = cluster.client
    for path in ("/api/v1/cluster", "/metrics", "/healthz", "/readyz"):
        assert call(client, "GET", path).status_code == 200
    assert call(client, "GET", "/api/v1/cluster?history=600").status_code == 200
    assert call(client, "GET", "/api/v1/cluster?history=601").status_code == 400
    assert call(client, "POST", "/api/v1/session").status_code == 204
    elsewhere = api("--ops-listen", "127.0.0.1:0")
    assert call(elsewhere.client, "GET", "/metrics").status_code == 404


def test_inference(api, document):
    cluster = api()
    client = cluster.client
    about = [path for method, path, _ in document["api"].operations()
             if method == "GET" and path.startswith("/v2/models/{model}")]
    for path in about:
        assert call(client, "GET", concrete(path)).status_code == 503, "no worker was here yet"
    assert call(client, "GET", "/v2/health/ready").status_code == 503
    for path in INFER:
        assert call(client, "POST", path, data=png(1), headers=PHOTO).status_code == 503
    cluster.add_workers(1)
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats"):
        assert call(client, "GET", path).status_code == 200
    for path in about:
        assert call(client, "GET", concrete(path)).status_code == 200
        wrong = path.replace("{model}", "other").replace("{version}", "1")
        assert call(client, "GET", wrong).status_code == 404
    photo = base64.b64encode(png(1)).decode()
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [photo]}
    for path in INFER:
        json_answer = call(client, "POST", path, json={"inputs": [tensor]})
        assert json_answer.status_code == 200, json_answer.text
        assert call(client, "POST", path, data=png(1), headers=PHOTO).status_code == 200
        assert call(client, "POST", path, json={
            "inputs": [tensor], "parameters": {"binary_data_output": True}}).status_code == 200
        assert call(client, "POST", path, json={"inputs": []}).status_code == 400
        assert call(client, "POST", path, data=b"no picture", headers=PHOTO).status_code == 400
        assert call(client, "POST", path, data=png(1) + b"\0" * (21 << 20),
                    headers=PHOTO).status_code == 413
        assert call(client, "POST", path, data=b"x", headers={
            "Content-Encoding": "gzip"}).status_code == 415
        other = path.replace(MODEL, "other")
        assert call(client, "POST", other, data=png(1), headers=PHOTO).status_code == 404


def upgrade(client, **headers):
    """A handshake by hand: requests shows its answer as any other."""
    return call(client, "GET", "/ws" + headers.pop("query", ""), stream=True, headers={
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", **headers})


def test_the_socket(api):
    client = api().client
    assert call(client, "GET", "/ws").status_code == 426
    assert upgrade(client, query="?after=x").status_code == 400
    assert upgrade(client, Origin="http://evil.example").status_code == 403
    assert upgrade(client, **{"X-Session": ""}).status_code == 401
    opened = upgrade(client)
    assert opened.status_code == 101
    opened.close()


def test_the_access_token(api, document, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN)
    cluster = api("--http-token-file", file)
    cluster.operator = {"Authorization": f"Bearer {TOKEN}"}
    client = cluster.client
    for method, path, operation in document["api"].operations():
        if path == "/api/v1/session":
            continue
        answer = upgrade(client) if path == "/ws" else call(client, method, concrete(path))
        guarded = "401" in operation["responses"]
        assert (answer.status_code == 401) == guarded, (method, path, answer.status_code)
    assert call(client, "POST", "/api/v1/session", data=b"{").status_code == 400
    assert call(client, "POST", "/api/v1/session", json={"token": "x" * 40}).status_code == 401
    right = call(client, "POST", "/api/v1/session", json={"token": TOKEN})
    assert right.status_code == 204 and "imgrec_access" in right.headers["Set-Cookie"]
    assert call(client, "GET", "/api/v1/images").status_code == 200


def test_rates(api, document):
    client = api("--http-rate-limit", "1", "--http-rate-burst", "1").client
    for method, path, operation in document["api"].operations():
        def tried(method=method, path=path):
            answer = upgrade(client) if path == "/ws" else call(client, method, concrete(path))
            return answer.status_code == 429
        if path in PROBES:
            assert not tried() and not tried()
        else:
            assert "429" in operation["responses"], (method, path)
            wait_until(tried, f"{method} {path} to be too often")


def test_a_full_disk(api, small_disk):  # noqa: F811
    cluster = api("--data", small_disk.path / "data")
    cluster.add_workers(1)
    client = cluster.client
    small_disk.fill()
    for path in ("/api/v1/images", *INFER):
        assert call(client, "POST", path, data=png(1), headers=PHOTO).status_code == 507
    small_disk.free()


def test_a_damaged_file(api):
    cluster = api("--storage-cache", "0")
    cluster.add_workers(1)
    client = cluster.client
    [image_id] = client.upload(pngs(1))
    client.wait_done([image_id])
    (cluster.data / "images" / image_id[:2] / image_id).write_bytes(b"short")
    answer = call(client, "GET", f"/api/v1/images/{image_id}/content")
    assert answer.status_code == 500 and answer.json()["code"] == "storage_damaged"


def test_shutting_down(api):
    cluster = api("--shutdown-drain", "60s")
    [worker] = cluster.add_workers(1)
    client = cluster.client
    worker.signal(signal.SIGSTOP)
    client.upload(pngs(1))
    wait_until(lambda: client.images()[0]["state"] == "assigned", "the image to be under way")
    cluster.manager.signal(signal.SIGTERM)
    wait_until(lambda: call(client, "GET", "/readyz").status_code == 503, "the manager to say so")
    assert call(client, "POST", "/api/v1/images", data=png(1)).status_code == 503
    assert call(client, "POST", "/api/task", data=png(1)).status_code == 503
    worker.signal(signal.SIGCONT)
    assert cluster.manager.wait() == 0
    cluster.restart_manager()


def test_nothing_of_the_document_was_left_out(document):
    missing = document["api"].promised() - document["api"].seen
    assert not missing, json.dumps(sorted(missing), indent=1)
