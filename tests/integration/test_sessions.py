"""(f, h) Whose results are whose, what a socket replays, and who may open one."""
import secrets
import socket

import pytest
import requests
import websocket

from cluster import Client, wait_until
from idle_sockets_bench import count_closed, open_socket
from pictures import check_fake_answers, png, pngs
from sockets import ResultSocket, check_exactly_once


def test_nobody_sees_another_sessions_images_or_results(cluster):
    alice, bob = cluster.client, Client(cluster)
    alices_socket, bobs_socket = alice.socket(), bob.socket()
    alices = alice.upload(pngs(10))
    bobs = bob.upload(pngs(10, first=100))
    cluster.add_workers(2)
    check_exactly_once(alices_socket.read_images(10), alices)
    check_exactly_once(bobs_socket.read_images(10), bobs)
    alices_socket.drain()
    bobs_socket.drain()
    check_exactly_once(alices_socket.seen, alices)
    check_exactly_once(bobs_socket.seen, bobs)
    assert {i["id"] for i in alice.images()} == set(alices)
    assert {i["id"] for i in bob.images()} == set(bobs)
    check_exactly_once(bob.socket(after=0).read_images(10), bobs)

    url = f"/api/v1/images/{alices[0]}"
    for path in (url, url + "/content"):
        response = bob.get(path)
        assert response.status_code == 404 and response.json()["code"] == "no_such_image"
    assert bob.http.delete(bob.url + url, timeout=30).status_code == 404
    assert alice.get(url + "/content").content == png(0)
    assert alice.get(url + "/content").headers["Content-Type"] == "image/png"


def test_the_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(cluster):
    cluster.add_workers(1)
    address = f"http://{cluster.http_address}"
    first = requests.post(f"{address}/api/v1/images", files={"file": ("a.png", png(1))}, timeout=30)
    assert first.status_code == 202
    cookie = first.headers["Set-Cookie"]
    assert cookie.startswith("imgrec_session=")
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    mine = requests.get(f"{address}/api/v1/images", cookies=first.cookies, timeout=30).json()
    assert [i["name"] for i in mine["images"]] == ["a.png"]
    others = requests.get(f"{address}/api/v1/images", timeout=30)
    assert others.json()["images"] == []
    assert others.headers["Set-Cookie"].split(";")[0] != cookie.split(";")[0]
    foreign = requests.post(f"{address}/api/v1/images", files={"file": ("a.png", png(1))},
                            cookies=first.cookies, timeout=30,
                            headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403


def test_deleted_images_are_gone_and_the_ledger_balances(cluster):
    cluster.add_workers(1)
    client = cluster.client
    settled = client.upload(pngs(2))
    client.wait_done(settled)
    path = f"/api/v1/images/{settled[0]}"
    assert client.http.delete(client.url + path, timeout=30).status_code == 204
    assert client.get(path).status_code == 404
    assert [i["id"] for i in client.images()] == [settled[1]]
    cluster.check_ledger()


def test_deleting_open_images_keeps_the_ledger(cluster):
    client = cluster.client
    ids = client.upload(pngs(4))
    socket = client.socket()
    for image_id in ids[:2]:
        assert client.http.delete(f"{client.url}/api/v1/images/{image_id}",
                                  timeout=30).status_code == 204
    assert sorted(socket.next()["id"] for _ in range(2)) == sorted(ids[:2])
    cluster.check_ledger()
    cluster.add_workers(1)
    client.wait_done(ids[2:])
    ledger = cluster.check_ledger()
    assert ledger["open"] == 0 and ledger["done"] == 2


def test_a_socket_replays_what_came_after_a_number_and_nothing_else(cluster):
    client, files = cluster.client, pngs(30)
    cluster.add_workers(2)
    ids = client.upload(files)
    client.wait_done(ids)
    everything = client.socket(after=0).read_images(30)
    check_exactly_once(everything, ids)
    check_fake_answers({e["image"]["id"]: e["image"] for e in everything}, files)
    for position in (0, 9, 28):
        socket = client.socket(after=everything[position]["seq"])
        socket.read_images(29 - position)
        socket.drain()
        assert [e["seq"] for e in socket.seen] == [e["seq"] for e in everything[position + 1:]]
    last = client.socket(after=everything[-1]["seq"])
    last.drain()
    assert last.seen == []
    live_only = client.socket()
    live_only.drain()
    assert live_only.seen == []
    more = client.upload(pngs(1, first=500))
    check_exactly_once(live_only.read_images(1), more)
    check_exactly_once(last.read_images(1), more)


def test_a_replay_under_load_has_no_gap_and_no_double(cluster):
    """Sockets are opened at many moments while results come; each sees all of them once."""
    cluster.add_workers(2, "--delay-ms", "5")
    client = cluster.client
    ids = client.upload(pngs(150))
    sockets = []
    while len(client.settled()) < 150:
        sockets.append(client.socket(after=0))
        assert len(sockets) < 500
    sockets.append(client.socket(after=0))
    for socket in sockets:
        check_exactly_once(socket.read_images(150), ids)
        socket.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_sites_page_may_not_open_a_socket(cluster, origin):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        cluster.client.socket(origin=origin)
    assert refused.value.status_code == 403
    cluster.client.socket(origin=f"http://{cluster.http_address}").close()
    cluster.client.socket().close()


def test_cluster_figures_come_once_a_second_on_request(cluster):
    cluster.add_workers(2)
    socket = cluster.client.socket()
    socket.socket.send('{"type":"cluster","on":true}')
    for _ in range(3):
        event = socket.next()
        assert event["type"] == "cluster"
        assert len(event["cluster"]["workers"]) == 2
    socket.socket.send('{"type":"cluster","on":false}')
    socket.drain(2.5)
    assert socket.next(1.5) is None


def test_waiting_upload_answers_with_results(cluster):
    cluster.add_workers(1)
    response = cluster.client.post("/api/v1/images", params={"wait": 30, "top": 2},
                                   files={"file": ("a.png", png(3))})
    assert response.status_code == 202
    image = response.json()["images"][0]
    assert image["state"] == "done" and len(image["top"]) == 2
    check_fake_answers({image["id"]: image}, [("a.png", png(3))])


def test_raw_upload_takes_its_name_from_a_header(cluster):
    response = cluster.client.post("/api/v1/images", data=png(1), headers={
        "Content-Type": "image/png", "X-Filename": "gr%C3%BCn.png"})
    assert response.status_code == 202, response.text
    assert response.json()["images"][0]["name"] == "grün.png"
    cluster.add_workers(1)
    cluster.client.wait_done([response.json()["images"][0]["id"]])


def test_thousands_of_idle_pages_cost_little_and_disturb_nobody(new_cluster):
    cluster = new_cluster(manager_args=["--http-max-connections-per-address", "0"])
    cluster.add_workers(1)
    before = cluster.manager.resident_kib()
    idle = [open_socket(cluster.http_address, secrets.token_hex(16)) for _ in range(2000)]
    if not cluster.manager.sanitized():
        assert (cluster.manager.resident_kib() - before) / len(idle) < 64
    live = ResultSocket(cluster.http_address, cluster.client.session)
    ids = cluster.client.upload(pngs(20))
    check_exactly_once(live.read_images(20), ids)
    assert count_closed(idle) == 0
    live.close()
    for connection in idle:
        connection.close()


def test_a_page_that_does_not_read_costs_little_and_gets_everything(cluster):
    """Its socket stands still while results come; then it reads on, each of them once."""
    cluster.add_workers(2, "--delay-ms", "0")
    client = cluster.client
    # Short segments and a small window, so that the kernel holds some hundred messages only.
    slow = ResultSocket(cluster.http_address, client.session,
                        sockopt=[(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400),
                                 (socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)])
    before = cluster.manager.resident_kib()
    ids = []
    for batch in range(5):
        ids += client.upload(pngs(200, first=200 * batch))
    wait_until(lambda: cluster.ledger()["done"] == len(ids), "all results")
    if not cluster.manager.sanitized():
        assert cluster.manager.resident_kib() - before < 50_000
    check_exactly_once(slow.read_images(len(ids)), ids)
    slow.close()
