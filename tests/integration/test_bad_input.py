"""(c) Bad input is answered in words, crashes nothing and disturbs nobody."""
import json
import re
import socket as sockets_module
import struct
import subprocess

import pytest

from cluster import FRONTEND, binary
from pictures import bomb, check_fake_answers, png
from sockets import HELLO, exchange_with_worker_port, frame

MIB = 1 << 20


def tile_bomb():
    """A TIFF file of one pixel, in one tile of 16384 x 16384."""
    entries = [(256, 1), (257, 1), (322, 16384), (323, 16384)]
    directory = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)


def check_still_well(cluster):
    """A good picture is recognised right after."""
    files = [("good.png", png(4711))]
    check_fake_answers(cluster.client.wait_done(cluster.client.upload(files)), files)
    assert cluster.manager.alive()
    cluster.check_ledger()


def multipart(field, name, data):
    """One part, written out, so that nothing about it is a library's choice."""
    boundary = "boundary4711"
    body = (f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; '
            f'filename="{name}"\r\nContent-Type: image/jpeg\r\n\r\n').encode() + data
    body += f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


# what: (field, file name, bytes), status, code, words
BAD_UPLOADS = {
    "text": (("file", "a.jpg", b"this is no picture at all"), 415, "not_an_image", r"\w+ \w+"),
    "html": (("file", "a.jpg", b"<html><script>alert(1)</script>"), 415, "not_an_image", r"\w+"),
    "gif": (("file", "a.gif", b"GIF89a" + b"\x10\x00" * 20), 415, "not_an_image", "GIF"),
    "empty file": (("file", "a.jpg", b""), 400, "empty_file", "empty|no bytes|nothing"),
    "only a JPEG's first bytes": (("file", "a.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF"), 422,
                                  "damaged_image", r"\w+ \w+"),
    "144 megapixels in 140 KB": (("file", "a.png", bomb()), 422, "too_many_pixels",
                                 r"12000 x 12000.*megapixels"),
    "a pixel in a tile of 268 megapixels": (("file", "a.tif", tile_bomb()), 422,
                                            "too_many_pixels", r"1 x 1 .*blocks of 268435456"),
    "one image over the limit": (("file", "a.png", png(1) + b"\0" * (21 * MIB)), 413,
                                 "image_too_large", r"21\.\d MiB.*20\.0 MiB"),
    "wrong field name": (("photo", "a.png", png(1)), 400, "no_file_part", r"'file'.*'photo'"),
}


@pytest.fixture
def working(cluster):
    cluster.add_workers(1)
    return cluster


@pytest.mark.parametrize("what", BAD_UPLOADS)
def test_bad_upload_is_refused_in_words(working, what):
    (field, name, data), status, code, words = BAD_UPLOADS[what]
    body, headers = multipart(field, name, data)
    got_status, text = working.client.raw_request("POST", "/api/v1/images", body, headers)
    assert got_status == status, text
    problem = json.loads(text)
    assert problem["code"] == code and problem["status"] == status
    assert problem["type"] == "about:blank" and problem["title"]
    assert re.search(words, problem["detail"]), problem["detail"]
    if code != "no_file_part":
        assert problem["rejected"][0]["error"]["code"] == code
    assert working.ledger()["accepted"] == 0
    check_still_well(working)


def test_the_bomb_is_what_it_says():
    assert 100_000 < len(bomb()) < 200_000
    assert struct.unpack(">II", bomb()[16:24]) == (12_000, 12_000)


def test_good_files_beside_a_bad_one_are_accepted(working):
    response = working.client.post("/api/v1/images", files=[
        ("file", ("a.png", png(1))), ("file", ("b.txt", b"no picture")),
        ("file", ("c.png", png(2)))])
    assert response.status_code == 202
    answer = response.json()
    assert [i["name"] for i in answer["images"]] == ["a.png", "c.png"]
    assert [(r["name"], r["error"]["code"]) for r in answer["rejected"]] == [
        ("b.txt", "not_an_image")]
    working.client.wait_done([i["id"] for i in answer["images"]])


def test_100_mb_upload_is_refused_without_being_held(working):
    before = working.manager.resident_kib()
    status, answer = send_until_answered(working, 100 * 1000 * 1000)
    assert status == 413, answer
    assert working.manager.resident_kib() - before < 90 * 1024
    check_still_well(working)


def send_until_answered(cluster, total):
    """POSTs `total` bytes as one raw body, and stops when the manager answers or hangs up."""
    host, port = cluster.http_address.rsplit(":", 1)
    piece = b"\xff\xd8\xff" + b"x" * (MIB - 3)
    with sockets_module.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall((f"POST /api/v1/images HTTP/1.1\r\nHost: {host}\r\n"
                            f"X-Session: {cluster.client.session}\r\nContent-Type: image/jpeg\r\n"
                            f"Content-Length: {total}\r\n\r\n").encode())
        try:
            for _ in range(total // MIB):
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
                if b"\r\n\r\n" in answer:
                    break
        except (ConnectionResetError, TimeoutError):
            pass
    found = re.match(rb"HTTP/1\.1 (\d+)", answer)
    return (int(found.group(1)) if found else None), answer


def test_truncated_picture_settles_failed_with_words(working):
    """The header is fine, so it is accepted; the worker finds the end missing."""
    whole = png(1, 64, 64)
    cut, good = working.client.upload([("cut.png", whole[:-20]), ("good.png", png(2))])
    images = working.client.wait_settled([cut, good])
    if images[cut]["state"] == "failed":  # the fake engine looks at headers only
        assert images[cut]["error"]["code"] == "damaged_image"
        assert len(images[cut]["error"]["detail"]) > 20
    assert images[good]["state"] == "done"


# ---- the worker port ---------------------------------------------------------------------------

BAD_FRAMES = {
    "bad magic": (frame(magic=0x12345678), "bad magic 0x12345678"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "not HTTP"),
    "bad version": (frame(version=9), "frame version 9"),
    "header CRC": (frame(HELLO, b"abc", header_crc=0xDEADBEEF), "header.* CRC-32C"),
    "payload CRC": (frame(HELLO, b"abc", payload_crc=0xDEADBEEF), "payload's CRC-32C"),
    "length": (frame(HELLO, b"abc", length=0xFFFFFFFF), "4294967295 bytes exceeds the limit"),
    "unknown type": (frame(77), "unknown frame type 77"),
    "no HELLO": (frame(8, b"\0" * 12), "PING|HELLO"),
    "HELLO of another version": (frame(HELLO, b"\xff" * 40, job=0), "protocol version 255"),
    "HELLO of nonsense": (frame(HELLO, b"\x01\x01" + b"\xff" * 40, job=0), "HELLO"),
}


@pytest.mark.parametrize("what", BAD_FRAMES)
def test_bad_frame_closes_its_connection_and_disturbs_no_worker(working, what):
    data, words = BAD_FRAMES[what]
    exchange_with_worker_port(working.worker_host_port(), data)  # returns: it was closed
    line = working.manager.wait_log(r"worker_connection_rejected .*").group(0)
    assert re.search(words, line), line
    assert len(working.ready_workers()) == 1
    assert "worker_left" not in working.manager.log()
    check_still_well(working)


def test_worker_with_another_model_is_refused_in_words_and_the_others_work_on(working):
    stranger = working.add_worker("--model-digest", "a" * 64, "--model-name", "other")
    line = stranger.wait_log(r".*another model|.*refused.*|.*serve the model.*").group(0)
    assert "aaaaaaaaaaaa" in stranger.log() and "other" in stranger.log(), line
    working.manager.wait_log(r"worker_refused .*other")
    assert len(working.ready_workers()) == 1
    check_still_well(working)


# ---- programs that cannot start ----------------------------------------------------------------

def run_program(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_port_in_use_is_exit_code_3_and_words(working, tmp_path):
    http_port = working.http_address.rsplit(":", 1)[1]
    worker_port = working.worker_address.rsplit(":", 1)[1]
    for arguments, port in ((["--port", http_port, "--worker-port", "0"], http_port),
                            (["--port", "0", "--worker-port", worker_port], worker_port)):
        code, text = run_program(binary("imgrec-manager"), "--data", tmp_path / f"other{port}",
                                 "--frontend", FRONTEND, *arguments)
        assert code == 3, text
        assert f"127.0.0.1:{port}" in text and "in use" in text, text
    check_still_well(working)


def test_data_directory_in_use_is_exit_code_3_and_words(working):
    code, text = run_program(binary("imgrec-manager"), "--data", working.data, "--port", "0",
                             "--worker-port", "0", "--frontend", FRONTEND)
    assert code == 3, text
    assert str(working.data) in text, text
    check_still_well(working)


def test_missing_model_is_exit_code_2_and_words(tmp_path, model):
    code, text = run_program(binary("imgrec-worker"), "--manager", "127.0.0.1:1", "--model",
                             tmp_path / "nothing")
    assert code == 2, text
    assert str(tmp_path / "nothing") in text and "--model" in text, text


@pytest.mark.parametrize("program", ["imgrec-manager", "imgrec-fake-worker"])
@pytest.mark.parametrize("extra", [[], ["--check-config"]])
def test_unknown_yaml_key_is_exit_code_2_and_names_file_line_and_key(tmp_path, program, extra):
    config = tmp_path / "config.yaml"
    config.write_text("log:\n  level: info\n  levle: debug\n")
    code, text = run_program(binary(program), "--config", config, *extra)
    assert code == 2, text
    assert f"{config}:3: unknown key log.levle; did you mean log.level?" in text


def test_wrong_yaml_type_is_exit_code_2_and_names_the_range(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("http:\n  port: 80a\n")
    code, text = run_program(binary("imgrec-manager"), "--config", config)
    assert code == 2
    assert f'{config}:2: http.port: "80a" is not a whole number from 0 to 65535' in text


@pytest.mark.parametrize("program", ["imgrec-manager", "imgrec-fake-worker"])
def test_help_version_and_check_config_work(tmp_path, program):
    code, text = run_program(binary(program), "--help")
    assert code == 0 and f"Usage: {program}" in text
    code, text = run_program(binary(program), "--version")
    assert code == 0 and re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", text)
    config = tmp_path / "config.yaml"
    config.write_text("log:\n  level: debug\n")
    assert run_program(binary(program), "--config", config, "--check-config")[0] == 0
