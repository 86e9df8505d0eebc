"""What programs may count on at the REST API beyond a single upload: repeats, ranges, access."""
import http.client
import pathlib
import re
import secrets
import subprocess

import pytest
import requests
import websocket

from cluster import PATIENCE_S, Client, binary, wait_until
from pictures import png, pngs, shared_dir
from sockets import ResultSocket, check_exactly_once

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
TOKEN = "t" * 40


def upload(client, files, key=None, session=True):
    headers = {"Idempotency-Key": key} if key else {}
    if not session:
        headers["X-Session"] = None
    return client.post("/api/v1/images", headers=headers,
                       files=[("file", (name, data)) for name, data in files])


def ids(answer):
    assert answer.status_code == 202, answer.text
    return [image["id"] for image in answer.json()["images"]]


# ---- repeats ----

def test_a_repeated_upload_is_the_same_upload(cluster):
    client = cluster.client
    first = upload(client, pngs(3), "key-1")
    assert "Idempotency-Replayed" not in first.headers
    cluster.add_workers(1)
    client.wait_done(ids(first))
    again = upload(client, pngs(3), "key-1")
    assert ids(again) == ids(first) and again.headers["Idempotency-Replayed"] == "true"
    assert {image["state"] for image in again.json()["images"]} == {"done"}, "as they are now"
    assert ids(upload(client, pngs(3), "key-2")) != ids(first)
    assert ids(upload(Client(cluster), pngs(3), "key-1")) != ids(first), "a session's own"
    assert cluster.ledger()["accepted"] == 9


def test_a_repeat_with_a_bad_file_rejects_it_again(cluster):
    files = [*pngs(1), ("notes.txt", b"no picture")]
    answers = [upload(cluster.client, files, "key-1") for _ in range(2)]
    assert ids(answers[0]) == ids(answers[1])
    assert answers[0].json()["rejected"] == answers[1].json()["rejected"] != []


def test_a_repeat_may_wait(cluster):
    first = upload(cluster.client, pngs(2), "key-1")
    cluster.add_workers(1)
    answer = cluster.client.post("/api/v1/images?wait=60", headers={"Idempotency-Key": "key-1"},
                                 files=[("file", file) for file in pngs(2)])
    assert ids(answer) == ids(first)
    assert {image["state"] for image in answer.json()["images"]} == {"done"}


def test_a_key_under_which_something_else_came_is_refused(cluster):
    client = cluster.client
    upload(client, pngs(1), "key-1")
    other = upload(client, pngs(1, first=7), "key-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert cluster.ledger()["accepted"] == 1
    for bad in ("", "with space", "x" * 256):
        answer = client.post("/api/v1/images", data=png(1), headers={"Idempotency-Key": bad})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


def test_a_refused_upload_may_be_tried_again_under_its_key(cluster):
    refused = upload(cluster.client, [("a.txt", b"no picture")], "key-1")
    assert refused.status_code == 415
    assert upload(cluster.client, pngs(1), "key-1").status_code == 202


def test_a_key_without_a_session_stands_for_one(cluster):
    first = requests.post(f"{cluster.client.url}/api/v1/images", data=png(1), timeout=PATIENCE_S,
                          headers={"Idempotency-Key": "key-1"})
    again = requests.post(f"{cluster.client.url}/api/v1/images", data=png(1), timeout=PATIENCE_S,
                          headers={"Idempotency-Key": "key-1"})
    assert ids(first) == ids(again)
    assert "Set-Cookie" not in first.headers, "who guesses the key is not lent the session"
    assert requests.get(f"{cluster.client.url}/api/v1/images/{ids(first)[0]}",
                        timeout=PATIENCE_S).status_code == 200
    other = requests.post(f"{cluster.client.url}/api/v1/images", data=png(2), timeout=PATIENCE_S,
                          headers={"Idempotency-Key": "key-1"})
    assert other.status_code == 422
    listed = requests.get(f"{cluster.client.url}/api/v1/images", timeout=PATIENCE_S,
                          headers={"Idempotency-Key": "key-1"})
    assert listed.json()["images"] == [], "a key is for uploads"
    assert cluster.ledger()["accepted"] == 1


def test_a_manager_killed_after_it_accepted_knows_the_repeat(cluster):
    """The answer is lost with the manager; the client does what clients do."""
    client = cluster.client
    key = secrets.token_hex(16)
    connection = http.client.HTTPConnection(cluster.http_address, timeout=PATIENCE_S)
    connection.request("POST", "/api/v1/images", png(1), {
        "X-Session": client.session, "Idempotency-Key": key, "X-Filename": "a.png"})
    wait_until(client.images, "the image to be accepted")
    cluster.kill9_manager()
    cluster.restart_manager()
    again = client.post("/api/v1/images", data=png(1),
                        headers={"Idempotency-Key": key, "X-Filename": "a.png"})
    assert ids(again) == [image["id"] for image in client.images()]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert cluster.ledger()["accepted"] == 1


# ---- other sites' pages ----

def test_pages_of_a_named_origin_may_use_the_api(new_cluster):
    cluster = new_cluster(manager_args=["--http-cors-origins", "https://gallery.example"])
    cluster.add_workers(1)
    url = f"http://{cluster.http_address}/api/v1/images"
    page = {"Origin": "https://gallery.example", "Sec-Fetch-Site": "cross-site"}
    preflight = requests.options(url, timeout=PATIENCE_S, headers={
        **page, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-session"})
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://gallery.example"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "content-type" in allowed and "x-session" in allowed
    assert "Access-Control-Allow-Credentials" not in preflight.headers

    session = secrets.token_hex(16)
    answer = requests.post(url + "?wait=60", data=png(1), timeout=PATIENCE_S,
                           headers={**page, "X-Session": session})
    assert answer.json()["images"][0]["state"] == "done"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://gallery.example"
    assert "Origin" in answer.headers["Vary"]
    assert requests.get(url, timeout=PATIENCE_S, headers={
        **page, "X-Session": session}).json()["images"] != []
    refused = requests.post(url, data=b"text", timeout=PATIENCE_S, headers=page)
    assert refused.status_code == 415
    assert refused.headers["Access-Control-Allow-Origin"] == "https://gallery.example"

    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused = requests.post(url, data=png(1), timeout=PATIENCE_S, headers=evil)
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_cookies_are_not_taken_from_a_named_origin(new_cluster):
    """It is let in, but the person whose browser it is in is not lent to it."""
    cluster = new_cluster(manager_args=["--http-cors-origins", "*"])
    url = f"http://{cluster.http_address}/api/v1/images"
    person = requests.Session()
    person.post(url, data=png(1), timeout=PATIENCE_S)
    assert len(person.get(url, timeout=PATIENCE_S).json()["images"]) == 1
    page = {"Origin": "http://localhost:1"}
    foreign = person.get(url, headers=page, timeout=PATIENCE_S)
    assert foreign.json()["images"] == []
    assert "Set-Cookie" not in foreign.headers, "nor is its session taken away"
    uploaded = requests.post(url, data=png(2), headers=page, timeout=PATIENCE_S)
    assert uploaded.status_code == 202 and "Set-Cookie" not in uploaded.headers


def test_a_link_from_another_site_leaves_the_session_alone(cluster):
    """The browser keeps a strict cookie back then, and would take a new one in its place."""
    navigation = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for path in ("/", "/cluster", "/api", "/api/v1/images"):
        answer = requests.get(cluster.client.url + path, headers=navigation, timeout=PATIENCE_S)
        assert answer.status_code == 200 and "Set-Cookie" not in answer.headers, path
    assert "Set-Cookie" in requests.get(f"{cluster.client.url}/api/v1/images",
                                        timeout=PATIENCE_S).headers


def test_a_socket_that_is_ahead_of_the_server_hears_of_results_all_the_same(cluster):
    """Its number is of other data: of a directory that was emptied, say."""
    cluster.add_workers(1)
    ahead = cluster.client.socket(after=1_000_000)
    image_ids = cluster.client.upload(pngs(3))
    check_exactly_once(ahead.read_images(3), image_ids)
    ahead.close()


# ---- the token ----

@pytest.fixture
def guarded(new_cluster, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    cluster = new_cluster(manager_args=["--http-token-file", tmp_path / "token"])
    cluster.operator = {"Authorization": f"Bearer {TOKEN}"}
    return cluster


def test_programs_send_the_token(guarded):
    url = f"{guarded.client.url}/api/v1/images"
    for headers in ({}, {"Authorization": f"Bearer {'x' * 40}"}, {"Authorization": TOKEN}):
        refused = requests.post(url, data=png(1), headers=headers, timeout=PATIENCE_S)
        assert (refused.status_code, refused.json()["code"]) == (401, "token_required")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert TOKEN not in refused.text
    assert requests.post(url, data=png(1), headers=guarded.operator,
                         timeout=PATIENCE_S).status_code == 202
    assert guarded.ledger()["accepted"] == 1


def test_a_page_gives_the_token_once(guarded):
    page = requests.Session()
    url = guarded.client.url
    assert page.get(url, timeout=PATIENCE_S).status_code == 200, "the website's files are open"
    assert page.get(f"{url}/api/v1/images", timeout=PATIENCE_S).status_code == 401
    wrong = page.post(f"{url}/api/v1/session", json={"token": "x" * 40}, timeout=PATIENCE_S)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_token")
    right = page.post(f"{url}/api/v1/session", json={"token": TOKEN}, timeout=PATIENCE_S)
    assert right.status_code == 204
    assert TOKEN not in str(right.headers)
    accepted = page.post(f"{url}/api/v1/images", data=png(1), timeout=PATIENCE_S)
    assert accepted.status_code == 202
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in page.cookies)
    socket = websocket.create_connection(f"ws://{guarded.http_address}/ws", cookie=cookies,
                                         suppress_origin=True, timeout=PATIENCE_S)
    socket.close()
    proof = next(cookie.value for cookie in page.cookies if cookie.name == "imgrec_access")
    stolen = requests.get(f"{url}/api/v1/images", timeout=PATIENCE_S, headers={
        "X-Session": secrets.token_hex(16), "Cookie": f"imgrec_access={proof}"})
    assert stolen.status_code == 401, "it proves it for its own session alone"


def test_a_socket_needs_the_token_too(guarded):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        ResultSocket(guarded.http_address, secrets.token_hex(16))
    assert refused.value.status_code == 401


def test_a_bad_token_file_stops_the_start(tmp_path):
    (tmp_path / "token").write_text("short")
    done = subprocess.run([binary("imgrec-manager"), "--check-config", "--http-token-file",
                           tmp_path / "token"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the access token has 5 characters; it must have 32" in done.stderr


# ---- rates ----

def test_a_rate_is_kept_and_told(new_cluster):
    cluster = new_cluster(manager_args=["--http-rate-limit", "5", "--http-rate-burst", "10"])
    url = f"http://{cluster.http_address}/api/v1/images"
    answers = [requests.get(url, timeout=PATIENCE_S) for _ in range(40)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 20
    assert refused[0].json()["code"] == "rate_limited"
    assert int(refused[0].headers["Retry-After"]) == 1
    for _ in range(20):
        assert requests.get(f"http://{cluster.http_address}/healthz",
                            timeout=PATIENCE_S).status_code == 200


# ---- wrong addresses ----

def test_a_person_at_a_wrong_address_gets_a_page_and_a_program_a_problem(cluster):
    person = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = requests.get(f"{cluster.client.url}/nope", headers=person, timeout=PATIENCE_S)
    assert page.status_code == 404 and page.headers["Content-Type"].startswith("text/html")
    assert 'href="/"' in page.text and "nope" not in page.text
    slash = requests.get(f"{cluster.client.url}/cluster/", headers=person, timeout=PATIENCE_S,
                         allow_redirects=False)
    assert slash.status_code == 308 and slash.headers["Location"] == "/cluster"
    for path in ("//evil.example/", "/evil.example//", "/nope/"):
        connection = http.client.HTTPConnection(cluster.http_address, timeout=PATIENCE_S)
        connection.request("GET", path, headers=person)
        answer = connection.getresponse()
        assert answer.status == 404 and answer.getheader("Location") is None, path
        connection.close()
    for headers in ({}, {"Accept": "application/json"}, {"Accept": "*/*"}):
        answer = requests.get(f"{cluster.client.url}/nope", headers=headers, timeout=PATIENCE_S)
        assert answer.status_code == 404 and answer.json()["code"] == "not_found"
    posted = requests.post(f"{cluster.client.url}/nope", headers=person, timeout=PATIENCE_S)
    assert posted.json()["code"] == "not_found"


# ---- the course project's API ----

def test_the_course_projects_calls(cluster):
    cluster.add_workers(1)
    client = cluster.client
    for field in ("file", "image"):
        answer = client.post("/api/task", files=[(field, ("a.png", png(3)))])
        assert answer.status_code == 200
        assert answer.json()["code"] == 100 and answer.json()["result"] == "success"
        task = answer.json()["data"]["task_id"]
        assert client.wait_done([task])[task]["name"] == "a.png"
        assert client.get(f"/upload/{task}").content == png(3)
    bad = [({"files": [("file", ("a.txt", b"no picture"))]}, 202),
           ({"data": b"no picture"}, 202), ({"data": b""}, 201),
           ({"data": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}}, 201)]
    for request, code in bad:
        answer = client.post("/api/task", **request)
        assert (answer.status_code, answer.json()["code"]) == (200, code), request
        assert answer.json()["data"] is None and len(answer.json()["result"]) > 10
    missing = client.get(f"/upload/{'0' * 32}")
    assert missing.status_code == 404 and missing.json()["code"] == 202
    assert Client(cluster).get(f"/upload/{task}").status_code == 404, "another session's"


# ---- the manual ----

def manual_commands():
    text = (DOCS / "api.md").read_text()
    commands = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    assert len(commands) > 10
    return commands


def test_the_manuals_commands_do_what_it_says(cluster, tmp_path):
    """In one shell, in order, as a reader would."""
    cluster.add_workers(1)
    photos = sorted((shared_dir() / "data" / "photos").glob("*.JPEG"))
    for number, name in enumerate(("photo.jpg", "cat.jpg")):
        (tmp_path / name).write_bytes(photos[number].read_bytes() if photos else png(number))
    script = ["set -euo pipefail", *manual_commands()]
    script = [re.sub(r"^(ID=.*curl|curl)", lambda m: m[0] + " -f -sS", line) for line in script]
    text = "\n".join(script).replace("localhost:8080", cluster.http_address)
    done = subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"state":"done"') >= 5, done.stdout
    assert '"code":100' in done.stdout
    assert (tmp_path / "part.jpg").stat().st_size == 100
