"""Join token and TLS between real processes: who may join, who is turned away, in which words."""
import hmac
import os
import pathlib
import secrets
import socket
import struct
import subprocess
import time

import pytest

from cluster import binary, wait_until
from pictures import check_fake_answers, pngs
from sockets import HELLO, exchange_with_worker_port, frame

OPEN, CHALLENGE, PROOF, REFUSE = 12, 13, 14, 3
MAKE_CERTIFICATES = pathlib.Path(__file__).resolve().parents[1] / "support/make_certificates.sh"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with authorities and certificates of our own; make_certificates.sh lists them."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["bash", MAKE_CERTIFICATES, folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def token_file(tmp_path):
    def write(name, token=None):
        path = tmp_path / name
        path.write_text((token or secrets.token_hex(32)) + "\n")
        path.chmod(0o600)
        return path

    return write


def check_works(cluster):
    files = pngs(5)
    check_fake_answers(cluster.client.wait_done(cluster.client.upload(files)), files)


def check_turned_away(cluster, worker, words, code=3):
    """The worker says why, the manager too, and neither shows the token."""
    worker.wait_log(words)
    if code is not None:
        assert worker.wait() == code, worker.tail()
        worker.killed = True
    assert cluster.cluster()["workers"] == []


# ---- the table of PROTOCOL.md, row by row -------------------------------------------------------

def test_workers_with_the_managers_token_join_and_work(new_cluster, token_file):
    token = token_file("token")
    cluster = new_cluster(manager_args=["--workers-token-file", token],
                          worker_args=["--worker-token-file", token])
    cluster.add_workers(2)
    check_works(cluster)
    for program in cluster.programs:
        assert token.read_text().strip() not in program.log()


def test_the_token_may_come_by_a_variable_but_not_by_a_flag(new_cluster, token_file, monkeypatch):
    secret = secrets.token_hex(32)
    monkeypatch.setenv("IMGREC_WORKERS_TOKEN", secret)
    monkeypatch.setenv("IMGREC_WORKER_TOKEN", secret)
    cluster = new_cluster()
    cluster.add_workers(1)
    check_works(cluster)
    for program in cluster.programs:
        with open(f"/proc/{program.pid}/cmdline") as command:
            assert secret not in command.read()
        assert secret not in program.log()
    done = subprocess.run([binary("imgrec-manager"), "--workers-token", secret],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "IMGREC_WORKERS_TOKEN" in done.stderr and secret not in done.stderr


def test_a_worker_without_a_token_is_refused_in_words(new_cluster, token_file):
    cluster = new_cluster(manager_args=["--workers-token-file", token_file("token")])
    check_turned_away(cluster, cluster.add_worker(), r"code=token .*worker\.token-file")
    cluster.manager.wait_log(r"worker_connection_rejected .*has none")


def test_a_worker_with_a_token_works_for_no_manager_without(new_cluster, token_file):
    cluster = new_cluster(worker_args=["--worker-token-file", token_file("token")])
    check_turned_away(cluster, cluster.add_worker(), r"code=token .*workers\.token-file")


def test_a_worker_with_another_token_finds_out_itself_and_tries_seldom(new_cluster, token_file):
    cluster = new_cluster(manager_args=["--workers-token-file", token_file("token")],
                          worker_args=["--worker-token-file", token_file("other")])
    worker = cluster.add_worker()
    check_turned_away(cluster, worker, r"join token is not this worker's", code=None)
    cluster.manager.wait_log(r"worker_connection_rejected .*join token is not this worker's")
    time.sleep(3)
    attempts = cluster.manager.log().count("worker_connection_rejected")
    assert attempts <= 12, "back-off doubles from 0.1 s on"
    assert worker.log().count("join token is not") == 1, "the same words once a minute"


# ---- a stranger at a port with a token ----------------------------------------------------------

def opening(instance=b"stranger"):
    return b"\x01\x01" + struct.pack(">H", len(instance)) + instance + secrets.token_bytes(32)


def refusal(answer):
    """(code, reason) of the REFUSE at the end of what the manager said."""
    at = answer.rindex(struct.pack(">IBB", 0x494D4752, 1, REFUSE))
    payload = answer[at + 28:]
    code, _, _, length = struct.unpack_from(">HBIH", payload)
    return code, payload[9:9 + length].decode()


def test_strangers_get_no_further_than_the_proof(new_cluster, token_file):
    token = token_file("token")
    cluster = new_cluster(manager_args=["--workers-token-file", token],
                          worker_args=["--worker-token-file", token])
    cluster.add_workers(1)
    address = cluster.worker_host_port()
    code, reason = refusal(exchange_with_worker_port(address, frame(HELLO, b"\x01\x01", job=0)))
    assert code == 4 and "worker.token-file" in reason
    # 4 MiB of labels, of which only the header is looked at.
    answer = exchange_with_worker_port(address, frame(HELLO, b"", job=0, length=4 << 20))
    assert refusal(answer)[0] == 4
    code, reason = refusal(exchange_with_worker_port(
        address, frame(OPEN, opening(), job=0) + frame(PROOF, b"x" * 32, job=0)))
    assert code == 4 and "is not the manager's" in reason
    # The manager's own proof, sent back.
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(frame(OPEN, opening(), job=0))
        challenge = b""
        while len(challenge) < 28 + 64:
            challenge += connection.recv(4096)
        assert challenge[5] == CHALLENGE
        connection.sendall(frame(PROOF, challenge[60:92], job=0))
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
        assert refusal(answer)[0] == 4
    check_works(cluster)


def test_the_proof_is_the_hmac_that_the_document_says(new_cluster, token_file):
    """An independent worker, written from PROTOCOL.md, gets past the token."""
    secret = secrets.token_hex(32)
    cluster = new_cluster(manager_args=["--workers-token-file", token_file("token", secret)])
    said = opening(b"python-1")
    with socket.create_connection(cluster.worker_host_port(), timeout=60) as connection:
        connection.sendall(frame(OPEN, said, job=0))
        challenge = b""
        while len(challenge) < 28 + 64:
            challenge += connection.recv(4096)
        nonce, proof = challenge[28:60], challenge[60:92]

        def prove(role):
            text = b"imgrec join 1 " + role + b"\0" + said + nonce
            return hmac.new(secret.encode(), text, "sha256").digest()

        assert hmac.compare_digest(proof, prove(b"manager"))

        def text(value):
            return struct.pack(">H", len(value)) + value

        hello = (b"\x01\x01" + struct.pack(">HHf", 1, 2, 0) + text(b"python") + text(b"python-1")
                 + text(b"demo") + text(b"d" * 64) + struct.pack(">I", 1) + text(b"cat"))
        connection.sendall(frame(PROOF, prove(b"worker"), job=0) + frame(HELLO, hello, job=0))
        answer = connection.recv(4096)
        assert answer[5] == 2, "WELCOME"
        assert [w["name"] for w in cluster.cluster()["workers"]] == ["python"]


def test_a_flood_of_strangers_keeps_no_worker_out_nor_fills_log_or_memory(new_cluster, token_file):
    token = token_file("token")
    cluster = new_cluster(manager_args=["--workers-token-file", token],
                          worker_args=["--worker-token-file", token])
    address = cluster.worker_host_port()
    before = cluster.manager.resident_kib()
    # Half a handshake each, held open: one address gets 32 places, 64 are there.
    held = [socket.create_connection(address, timeout=60) for _ in range(100)]
    for connection in held:
        try:
            connection.sendall(frame(OPEN, opening(), job=0))
        except OSError:
            pass
    for _ in range(300):
        exchange_with_worker_port(address, b"GET / HTTP/1.1\r\n\r\n")
    limit_mib = 200 if cluster.manager.sanitized() else 20
    assert cluster.manager.resident_kib() - before < limit_mib * 1024
    dropped = sum(1 for connection in held if is_closed(connection))
    assert dropped >= 100 - 32, dropped
    log = cluster.manager.log()
    assert log.count("worker_connection_rejected") <= 20
    assert log.count("worker_connection_dropped") <= 20
    for connection in held:
        connection.close()
    cluster.add_workers(1)
    check_works(cluster)


def test_handshakes_that_stall_end_by_themselves(new_cluster, certificates, token_file):
    """Silence, half a header, OPEN and no more; and the same inside and before TLS."""
    token = token_file("token")
    plain = new_cluster(manager_args=["--workers-token-file", token])
    tls = new_cluster(manager_args=tls_manager(certificates))
    held = []
    for cluster, said in ((plain, b""), (plain, b"IMGR\x01"),
                          (plain, frame(OPEN, opening(), job=0)), (tls, b""),
                          (tls, b"\x16\x03\x01\x02\x00\x01")):
        connection = socket.create_connection(cluster.worker_host_port(), timeout=60)
        connection.sendall(said)
        held.append(connection)
    began = time.monotonic()
    for connection in held:
        while connection.recv(4096):
            pass
    assert 5 < time.monotonic() - began < 40, "10 s, and 2 s for last words"
    plain.manager.wait_log(r"worker_connection_rejected .*no handshake within 10000 ms")
    tls.manager.wait_log(r"worker_connection_rejected .*no handshake within 10000 ms")


def is_closed(connection):
    connection.setblocking(False)
    try:
        while piece := connection.recv(65536):
            del piece
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


# ---- TLS ----------------------------------------------------------------------------------------

def tls_manager(folder, certificate="manager", client_ca=None):
    arguments = ["--workers-tls-cert", folder / f"{certificate}.pem",
                 "--workers-tls-key", folder / f"{certificate}.key"]
    return arguments + (["--workers-tls-client-ca", folder / f"{client_ca}.pem"]
                        if client_ca else [])


def tls_worker(folder, ca="ca", certificate=None, name=None):
    arguments = ["--worker-tls", "--worker-tls-ca", folder / f"{ca}.pem"]
    if certificate:
        arguments += ["--worker-tls-cert", folder / f"{certificate}.pem",
                      "--worker-tls-key", folder / f"{certificate}.key"]
    return arguments + (["--worker-tls-server-name", name] if name else [])


def test_work_goes_through_tls_with_certificates_on_both_sides_and_a_token(
        new_cluster, certificates, token_file):
    token = token_file("token")
    cluster = new_cluster(
        manager_args=[*tls_manager(certificates, client_ca="ca"), "--workers-token-file", token],
        worker_args=[*tls_worker(certificates, certificate="worker"), "--worker-token-file", token])
    first, second = cluster.add_workers(2, "--delay-ms", "20")
    files = pngs(40)
    ids = cluster.client.upload(files)
    wait_until(lambda: cluster.ledger()["done"] >= 5, "some results")
    cluster.kill9_worker(first)
    check_fake_answers(cluster.client.wait_done(ids), files)
    assert second.terminate() == 0, "BYE and an end in good order go through TLS too"
    cluster.manager.wait_log(r"worker_left .*reason=bye")


def test_a_name_that_is_looked_up_is_the_one_in_the_certificate(new_cluster, certificates):
    cluster = new_cluster(manager_args=tls_manager(certificates, certificate="named"))
    port = cluster.worker_host_port()[1]
    by_address = cluster.add_worker(*tls_worker(certificates))
    by_address.wait_log("certificate of the manager is not accepted: IP address mismatch")
    by_name = cluster.add_worker("--manager", f"localhost:{port}", *tls_worker(certificates))
    wait_until(lambda: [w["name"] for w in cluster.ready_workers()] == [by_name.name],
               "the worker that knows the name")


BAD_TLS = {  # what: (manager, worker, words of the worker, words of the manager)
    "another authority": (dict(), dict(ca="other-ca"),
                          r"certificate of the manager is not accepted: (unable|self)",
                          r"the worker does not accept our certificate"),
    "another name": (dict(), dict(name="elsewhere.example"), r"hostname mismatch",
                     r"TLS handshake"),
    "an expired manager": (dict(certificate="expired"), dict(), r"certificate has expired",
                           r"TLS handshake"),
    "no client certificate": (dict(client_ca="ca"), dict(),
                              r"requires a certificate: set worker.tls-cert",
                              r"shows no certificate.*worker.tls-cert"),
    "an expired worker": (dict(client_ca="ca"), dict(certificate="expired-worker"),
                          r"does not accept our certificate", r"certificate has expired"),
    "a worker of another authority": (dict(client_ca="ca"), dict(certificate="other-worker"),
                                      r"does not accept our certificate",
                                      r"certificate of the worker is not accepted"),
}


@pytest.mark.parametrize("what", BAD_TLS)
def test_bad_certificates_are_refused_in_words_on_both_sides(new_cluster, certificates, what):
    manager, worker, workers_words, managers_words = BAD_TLS[what]
    cluster = new_cluster(manager_args=tls_manager(certificates, **manager))
    program = cluster.add_worker(*tls_worker(certificates, **worker))
    program.wait_log(workers_words)
    cluster.manager.wait_log("worker_connection_rejected .*" + managers_words)
    assert cluster.cluster()["workers"] == []


def test_a_plain_worker_at_a_tls_port_is_told_so(new_cluster, certificates):
    cluster = new_cluster(manager_args=tls_manager(certificates))
    check_turned_away(cluster, cluster.add_worker(), r"code=tls .*set worker\.tls")
    cluster.manager.wait_log(r"worker_connection_rejected .*does not speak TLS")


def test_a_tls_worker_at_a_plain_port_is_told_so(new_cluster, certificates):
    cluster = new_cluster()
    worker = cluster.add_worker(*tls_worker(certificates))
    worker.wait_log(r"the manager does not speak TLS")
    cluster.manager.wait_log(r"worker_connection_rejected .*speaks TLS")


def test_older_tls_is_refused(new_cluster, certificates):
    cluster = new_cluster(manager_args=tls_manager(certificates))
    for version, good in (("-tls1_3", True), ("-tls1_2", False)):
        done = subprocess.run(
            ["openssl", "s_client", version, "-connect", cluster.worker_address, "-CAfile",
             str(certificates / "ca.pem"), "-verify_return_error"],
            input=b"", capture_output=True, timeout=60)
        assert (b"Verify return code: 0" in done.stdout and b"TLSv1.3, Cipher" in done.stdout) \
            == good, done.stdout


@pytest.mark.parametrize("program,arguments,words", [
    ("imgrec-manager", ["--workers-tls-cert", "c.pem"], "go together"),
    ("imgrec-manager", ["--workers-tls-client-ca", "c.pem"], "needs workers.tls-cert"),
    ("imgrec-manager", ["--workers-token-file", "/no/such"], "/no/such cannot be read"),
    ("imgrec-manager", ["--workers-tls-cert", "/no/c.pem", "--workers-tls-key", "/no/k.pem"],
     "/no/c.pem"),
    ("imgrec-fake-worker", ["--worker-tls-ca", "c.pem"], "without worker.tls"),
    ("imgrec-fake-worker", ["--worker-token-file", os.devnull], "has 0 characters"),
    ("imgrec-fake-worker", ["--worker-tls", "--worker-tls-ca", "/no/ca.pem"], "/no/ca.pem"),
])
def test_wrong_settings_are_exit_code_2_and_words(tmp_path, program, arguments, words):
    extra = ["--data", tmp_path, "--port", "0"] if program == "imgrec-manager" else []
    done = subprocess.run([binary(program), *map(str, extra), *arguments], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 2 and words in done.stderr, done.stderr
