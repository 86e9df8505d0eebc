"""The website as a stranger meets it: headers, other sites' pages, other sessions, and limits."""
import re
import secrets
import socket
import time

import pytest
import requests
import websocket

from cluster import Client, wait_until
from pictures import png, pngs
from sockets import check_exactly_once

EVERY_ANSWER = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def raw(cluster, request, timeout_s=60):
    """Sends bytes, reads until the manager closes or is silent; returns what came."""
    host, port = cluster.http_address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
                if b"\r\n\r\n" in answer:
                    connection.settimeout(0.5)
        except (ConnectionResetError, TimeoutError):
            pass
    return answer


def status_of(answer):
    found = re.match(rb"HTTP/1\.1 (\d+)", answer)
    return int(found.group(1)) if found else None


# ---- headers ------------------------------------------------------------------------------------

def test_every_answer_has_the_security_headers(cluster):
    client = cluster.client
    ids = client.upload(pngs(1))
    answers = [client.get(path) for path in (
        "/", "/js/main.js", "/css/style.css", "/favicon.svg", "/api/v1/images",
        f"/api/v1/images/{ids[0]}", f"/api/v1/images/{ids[0]}/content", "/api/v1/cluster",
        "/metrics", "/healthz", "/readyz", "/nothing", "/ws", "/api/v1/images/none")]
    answers += [client.post("/api/v1/images", data=b"no picture"),
                client.http.delete(client.url + "/api/v1/cluster", timeout=60)]
    assert {a.status_code for a in answers} >= {200, 404, 405, 415, 426}
    for answer in answers:
        for name, value in EVERY_ANSWER.items():
            assert answer.headers[name] == value, answer.url
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, answer.url
        assert "unsafe" not in policy and "*" not in policy
        assert "camera=(self)" in answer.headers["Permissions-Policy"]
    assert "sandbox" in answers[6].headers["Content-Security-Policy"]
    for request in (b"nonsense\r\n\r\n",
                    b"GET /nowhere HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\n\r\n"):
        head = raw(cluster, request).decode()
        assert "X-Content-Type-Options: nosniff" in head and "X-Frame-Options: DENY" in head, head


def test_the_page_needs_nothing_that_the_policy_forbids(cluster):
    page = cluster.client.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", page), "inline script"
    assert "<style" not in page and not re.search(r"\sstyle=", page), "inline style"
    assert not re.search(r"\son\w+=", page), "inline handler"
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page), "somebody else's files"


# ---- other sites' pages -------------------------------------------------------------------------

FOREIGN = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
           {"Origin": "ftp://{address}"}, {"Origin": "http://{address}.evil.example"},
           {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_other_sites_pages_change_nothing_and_hear_nothing(cluster, headers):
    client = cluster.client
    ids = client.upload(pngs(1))
    headers = {k: v.format(address=cluster.http_address) for k, v in headers.items()}
    calls = [("POST", "/api/v1/images"), ("DELETE", f"/api/v1/images/{ids[0]}"),
             ("OPTIONS", "/api/v1/images"), ("PUT", "/api/v1/images")]
    for method, path in calls:
        answer = client.http.request(method, client.url + path, data=png(9), headers=headers,
                                     timeout=60)
        assert answer.status_code == 403, (method, answer.text)
        assert answer.json()["code"] == "cross_site"
        assert not any(name.startswith("Access-Control") for name in answer.headers)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(
            f"ws://{cluster.http_address}/ws", timeout=60, suppress_origin=True,
            header=[f"X-Session: {client.session}", *(f"{k}: {v}" for k, v in headers.items())])
    assert refused.value.status_code == 403
    assert [i["id"] for i in client.images()] == ids
    assert cluster.ledger()["accepted"] == 1


def test_our_own_page_may_do_all_of_it(cluster):
    client = cluster.client
    own = {"Origin": f"http://{cluster.http_address}", "Sec-Fetch-Site": "same-origin"}
    answer = client.post("/api/v1/images", data=png(1), headers=own)
    assert answer.status_code == 202, answer.text
    path = answer.json()["images"][0]["url"]
    client.socket(origin=own["Origin"]).close()
    assert client.http.delete(client.url + path, headers=own, timeout=60).status_code == 204


def test_a_name_that_was_made_to_resolve_here_is_not_answered(new_cluster):
    """DNS rebinding: the page's own name, and our address."""
    local = new_cluster()
    for path in ("/", "/api/v1/cluster", "/metrics"):
        answer = local.client.get(path, headers={"Host": "evil.example:8080"})
        assert answer.status_code == 421 and answer.json()["code"] == "unknown_host"
        assert "Set-Cookie" not in answer.headers
    for host in ("localhost:1", "[::1]:1", "10.0.0.1", "photos.localhost"):
        assert local.client.get("/healthz", headers={"Host": host}).status_code == 200, host
    upgrade = (b"GET /ws HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
               b"Upgrade: websocket\r\nConnection: Upgrade\r\nX-Session: " + b"e" * 32 +
               b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    assert status_of(raw(local, upgrade)) == 421
    named = new_cluster(manager_args=["--http-allowed-hosts", "photos.example,other.example"])
    for host, status in (("photos.example", 200), ("OTHER.example:80", 200), ("evil.example", 421)):
        assert named.client.get("/healthz", headers={"Host": host}).status_code == status, host
    anyone = new_cluster(manager_args=["--http-allowed-hosts", "*"])
    assert anyone.client.get("/healthz", headers={"Host": "evil.example"}).status_code == 200


# ---- sessions -----------------------------------------------------------------------------------

def test_no_call_shows_or_changes_another_sessions_images(cluster):
    """GET, list with any cursor, content, HEAD, DELETE, WebSocket live and replayed, wait."""
    alice, bob = cluster.client, Client(cluster)
    ids = alice.upload(pngs(120))
    socket_of_bob, replay_of_bob = bob.socket(), bob.socket(after=0)
    cluster.add_workers(2)
    alice.wait_done(ids)
    page = alice.get("/api/v1/images", params={"limit": 50}).json()
    for image_id in ids[:3]:
        url = f"/api/v1/images/{image_id}"
        for path in (url, url + "/content", url + "?top=3"):
            for method in ("GET", "HEAD"):
                answer = bob.http.request(method, bob.url + path, timeout=60)
                assert answer.status_code == 404, (method, path)
                assert image_id not in answer.text.replace(path, "")
        assert bob.http.delete(bob.url + url, timeout=60).status_code == 404
    # Another session's cursor is a place in one's own list.
    stolen = bob.get("/api/v1/images", params={"cursor": page["next_cursor"]})
    assert stolen.status_code == 400 or stolen.json()["images"] == []
    assert bob.images() == []
    waited = bob.post("/api/v1/images", params={"wait": 30}, data=png(7)).json()["images"]
    own = [image["id"] for image in waited]
    assert len(own) == 1 and own[0] not in ids
    for socket_ in (socket_of_bob, replay_of_bob):
        check_exactly_once(socket_.read_images(1), own)
        socket_.drain()
        check_exactly_once(socket_.seen, own)
    for after in (0, 1, 60, 119):
        late = bob.socket(after=after)
        late.drain()
        assert all(event["image"]["id"] in own for event in late.seen)
    assert {i["id"] for i in alice.images()} == set(ids), "and nothing of Alice's is gone"
    # Without a session there is the one image whose id one has, and no list and no socket.
    anybody = requests.get(f"{alice.url}/api/v1/images/{ids[0]}", timeout=60)
    assert anybody.status_code == 200
    assert requests.get(f"{alice.url}/api/v1/images", timeout=60).json()["images"] == []
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(f"ws://{cluster.http_address}/ws", timeout=60,
                                    suppress_origin=True)
    assert refused.value.status_code == 401


def test_a_planted_cookie_beside_ours_is_an_error_and_no_choice(cluster):
    url = f"http://{cluster.http_address}/api/v1/images"
    ours, planted = secrets.token_hex(16), secrets.token_hex(16)
    for cookie in (f"imgrec_session={planted}; imgrec_session={ours}",
                   f"imgrec_session={ours}; x=1; imgrec_session={planted}"):
        answer = requests.post(url, data=png(1), headers={"Cookie": cookie}, timeout=60)
        assert answer.status_code == 400 and answer.json()["code"] == "bad_session"
    assert cluster.ledger()["accepted"] == 0
    answer = requests.get(f"{url}?imgrec_session={planted}&session={planted}", timeout=60)
    assert planted not in answer.headers["Set-Cookie"], "no session comes from an address"


def test_the_cookie_says_secure_where_a_proxy_speaks_tls(cluster):
    url = f"http://{cluster.http_address}/api/v1/images"
    plain = requests.get(url, timeout=60).headers["Set-Cookie"]
    tls = requests.get(url, headers={"X-Forwarded-Proto": "https"}, timeout=60)
    assert "Secure" not in plain and tls.headers["Set-Cookie"].endswith("; Secure")
    for cookie in (plain, tls.headers["Set-Cookie"]):
        assert "; HttpOnly; SameSite=Strict" in cookie and "Domain" not in cookie


# ---- limits -------------------------------------------------------------------------------------

def head_with(line):
    return b"GET / HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n"


@pytest.mark.parametrize("what,request_bytes,status", [
    ("fields", head_with(b"\r\n".join(b"A%d: x" % i for i in range(120))), 431),
    ("head bytes", head_with(b"A: " + b"x" * 17_000), 431),
    ("cookies", head_with(b"Cookie: " + b"; ".join(b"c%d=1" % i for i in range(4000))), 431),
    ("address", b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ("body", b"POST /api/v1/images HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
    ("chunked", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
])
def test_requests_over_a_limit_are_refused(cluster, what, request_bytes, status):
    answer = raw(cluster, request_bytes)
    got = status_of(answer)
    assert got == status or (what == "chunked" and got in (400, 411, 501)), answer[:300]
    assert b"Connection: close" in answer


def test_a_form_of_too_many_parts_is_refused(cluster):
    boundary = b"b4711"
    part = b"--" + boundary + b'\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'
    body = part * 2001 + b"--" + boundary + b"--\r\n"
    answer = cluster.client.post("/api/v1/images", data=body, headers={
        "Content-Type": "multipart/form-data; boundary=" + boundary.decode()})
    assert answer.status_code == 400 and answer.json()["code"] == "malformed_multipart"
    assert "2000" in answer.json()["detail"]


def test_one_address_has_so_many_places_and_gets_them_back(new_cluster):
    cluster = new_cluster(manager_args=["--http-max-connections-per-address", "20"])
    host, port = cluster.http_address.rsplit(":", 1)
    # WebSockets have left the HTTP server, and count all the same.
    listening = [cluster.client.socket() for _ in range(10)]
    held = [socket.create_connection((host, int(port)), timeout=60) for _ in range(30)]
    refused = 0
    for connection in held:
        connection.settimeout(2)
        try:
            refused += b"503" in connection.recv(4096)
        except TimeoutError:
            break  # one that was let in: it waits for our request
    for connection in held:
        connection.close()
    for socket_ in listening:
        socket_.close()

    def served_again():
        try:
            return requests.get(f"http://{host}:{port}/healthz", timeout=60).status_code == 200
        except requests.ConnectionError:
            return False

    wait_until(served_again, "places to be free again")
    kept = []
    with pytest.raises((websocket.WebSocketException, OSError)):
        for _ in range(25):
            kept.append(cluster.client.socket())
    for socket_ in kept:
        socket_.close()
    wait_until(served_again, "places to be free again")


def test_uploads_under_way_take_no_more_memory_than_they_may(new_cluster):
    cluster = new_cluster(manager_args=["--http-max-request", "20MiB",
                                        "--http-max-buffered", "40MiB"])
    host, port = cluster.http_address.rsplit(":", 1)
    size = 16 << 20
    head = (f"POST /api/v1/images HTTP/1.1\r\nHost: x.localhost\r\nContent-Length: {size}\r\n"
            "Content-Type: image/png\r\n\r\n").encode()
    held, answers = [], []
    for _ in range(6):  # all but the last byte
        connection = socket.create_connection((host, int(port)), timeout=60)
        held.append(connection)
        try:
            connection.sendall(head)
            for _ in range(15):
                connection.sendall(b"x" * (1 << 20))
            connection.sendall(b"x" * ((1 << 20) - 1))
        except OSError:
            pass
    for connection in held:
        connection.settimeout(1)
        try:
            answers.append(status_of(connection.recv(4096)))
        except (TimeoutError, ConnectionResetError):
            answers.append(None)
    assert 503 in answers and answers.count(None) >= 1, answers
    cluster.client.get("/healthz")
    for connection in held:
        connection.close()
    wait_until(lambda: cluster.client.post("/api/v1/images", data=png(1)).status_code == 202,
               "room for uploads again")


def test_a_socket_that_talks_too_much_is_closed_and_the_others_live_on(cluster):
    quiet, loud = cluster.client.socket(), cluster.client.socket()
    with pytest.raises((ConnectionError, OSError, websocket.WebSocketException)):
        for _ in range(2000):
            loud.socket.send('{"type":"cluster","on":true}')
        while True:
            loud.next(5)
    quiet.socket.send('{"type":"cluster","on":true}')
    assert quiet.next()["type"] == "cluster"
    deep = cluster.client.socket()
    deep.socket.send("[" * 2000)
    deep.socket.send('{"type":"cluster","on":true}')
    assert deep.next()["type"] == "cluster", "nonsense is ignored"


def test_half_a_request_ends_in_time(new_cluster):
    """A head and a WebSocket upgrade that never end; the body's clock is tested with the guard."""
    cluster = new_cluster(manager_args=["--http-idle-timeout", "4s"])
    host, port = cluster.http_address.rsplit(":", 1)
    began = time.monotonic()
    held = []
    for said in (b"GET / HTTP/1.1\r\nHo", b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"):
        connection = socket.create_connection((host, int(port)), timeout=100)
        connection.sendall(said)
        held.append(connection)
    for connection in held:
        assert status_of(connection.recv(4096)) == 408
    assert 3 < time.monotonic() - began < 40
