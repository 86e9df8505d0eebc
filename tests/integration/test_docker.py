"""The container images, built by docker/Dockerfile and run by an engine that the test starts itself:
what is in them, docker/compose.yaml with its workers coming and going, and the all-in-one image.

Needs root, Debian's docker.io and a network to Debian's packages; says what is missing where it skips.
Base image, layers and compiled objects are kept in ~/.cache/imgrec, which may be deleted any time.
"""
import contextlib
import hashlib
import io
import os
import re
import signal
import socket
import subprocess
import tarfile
import threading
import time

import pytest
import requests
from cluster import REPO, Client, balances, ledger_of, samples_of, wait_until
from container_images import base_image, build, build_images, object_store
from docker_engine import DockerEngine, Unavailable, cache_dir, network_of_our_own
from file_server import FileServer
from pictures import of_many_sizes, png, pngs, shared_dir

# A quarter more than they had when this was written.
MOST_BYTES = {"imgrec-manager": 140e6, "imgrec-worker": 800e6, "imgrec": 810e6}


@pytest.fixture(scope="module")
def images():
    """An engine that has all three images, in a network namespace that this test is in too."""
    folder = cache_dir() / "docker"
    try:
        with DockerEngine(folder) as engine:
            build_images(engine)
        with network_of_our_own(), DockerEngine(folder, bridges=True) as engine:
            yield engine
    except Unavailable as reason:
        pytest.skip(str(reason))


# ---- containers ----
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Site:
    """A manager in a container, as cluster.Client wants one."""

    def __init__(self, engine, container, port):
        self.engine = engine
        self.container = container
        self.http_address = f"127.0.0.1:{port}"
        self.client = Client(self)

    def metrics(self):
        # The operations port is not published: it is asked at the container's own address.
        addresses = self.engine.inspect(
            self.container, "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}").split()
        return samples_of(requests.get(f"http://{addresses[0]}:9090/metrics", timeout=30).text)

    def ledger(self):
        return ledger_of(self.metrics())

    def ready_workers(self):
        answer = requests.get(f"http://{self.http_address}/api/v1/cluster", timeout=30).json()
        return [w for w in answer["workers"] if w["state"] == "ready"]

    def wait_workers(self, count):
        wait_until(lambda: len(self.ready_workers()) == count, f"{count} ready workers", 60)

    def check_all_done(self, accepted):
        ledger = self.ledger()
        assert balances(ledger), ledger
        assert ledger == {"accepted": accepted, "done": accepted, "failed": 0, "open": 0}


def is_healthy(engine, container):
    state = engine.inspect(container, "{{.State.Status}} {{.State.Health.Status}}")
    assert "exited" not in state, engine.docker("logs", container).stderr[-3000:]
    return state == "running healthy"


def wait_healthy(engine, container):
    wait_until(lambda: is_healthy(engine, container), f"{container} to be healthy", 90)


def check_locked_down(engine, container):
    """Nobody in particular, without rights, who can write nowhere but to what was named."""
    assert engine.inspect(container, "{{.HostConfig.ReadonlyRootfs}} {{.Config.User}}") == \
        "true 10001:10001"
    status = engine.out("exec", container, "cat", "/proc/1/status")
    assert re.search(r"^Uid:\s+10001\s+10001\s", status, re.M)
    assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    for place in ("/x", "/usr/local/bin/x", "/etc/x", "/var/tmp/x", "/usr/local/share/imgrec/x"):
        tried = engine.docker("exec", container, "touch", place, check=False)
        assert tried.returncode != 0 and "Read-only file system" in tried.stderr, (place, tried)


@pytest.fixture
def compose(images, tmp_path):
    """(command, engine, port): docker/compose.yaml as a project of its own."""
    engine = images
    try:
        program = engine.compose()
    except Unavailable as reason:
        pytest.skip(str(reason))
    token = tmp_path / "join-token"
    token.write_text("a-secret-that-only-this-test-knows\n")
    token.chmod(0o444)
    port = free_port()
    environment = {"IMGREC_PUBLISH": f"127.0.0.1:{port}", "IMGREC_JOIN_TOKEN": str(token)}

    def command(*arguments, **keywords):
        return engine.run(*program, "--project-name", "imgrec", "--file",
                          REPO / "docker" / "compose.yaml", *arguments, env=environment, **keywords)

    yield command, engine, port
    command("down", "--volumes", "--timeout", "5", check=False)


def containers(command, service):
    return command("ps", "--quiet", service).stdout.split()


def photos():
    """Real ones where there are some, else made ones."""
    files = sorted((shared_dir() / "data" / "photos").glob("*.JPEG"))[:40]
    return [(f.name, f.read_bytes()) for f in files] or pngs(40, first=5000)


# ---- tests ----
def test_an_image_holds_what_it_needs_and_says_what_it_is(images):
    for tag, most in MOST_BYTES.items():
        size = int(images.inspect(tag, "{{.Size}}"))
        print(f"\n{tag}: {size / 1e6:.0f} MB")
        assert size <= most
        assert images.inspect(tag, "{{.Config.User}} {{.Config.StopSignal}}") == "10001:10001 SIGTERM"
        assert images.inspect(tag, "{{json .Config.Healthcheck.Test}}") == '["CMD","imgrec-healthcheck"]'
        label = '{{index .Config.Labels "org.opencontainers.image.%s"}}'
        assert images.inspect(tag, label % "title") == tag
        assert images.inspect(tag, label % "licenses") == "Apache-2.0"
        volumes = images.inspect(tag, "{{json .Config.Volumes}}")
        assert volumes == ("null" if tag == "imgrec-worker" else '{"/var/lib/imgrec":{}}')
        files = images.out("run", "--rm", "--network", "none", "--user", "root",
                           "--entrypoint", "find", tag, "/",
                           "-xdev", "-not", "-path", "/proc/*", timeout_s=300)
        # Neither compilers nor sources; and a manager has nothing to recognise with.
        assert not re.search(r"/bin/(g\+\+|gcc|cc|cmake|ninja|ld|ccache)[-.\d]*$|/cc1plus|^/src", files, re.M)
        if tag == "imgrec-manager":
            assert not re.search(r"libtorch|libc10|libopencv|libdnnl|libopenblas|model\.pt", files)
            assert "/usr/share/javascript/chart.js/chart.min.js" in files
        else:
            assert "/models/cifar10-inception/model.pt" in files and "libopenblas" in files
            assert not re.search(r"libLLVM|_dri\.so", files), "trim.sh took away too little"


def test_compose_brings_up_a_cluster_that_loses_nothing(compose, tmp_path):
    command, engine, port = compose
    command("up", "--detach", "--no-build", timeout_s=180)
    (manager,), workers = containers(command, "manager"), containers(command, "worker")
    site = Site(engine, manager, port)
    assert len(workers) == 2
    for container in (manager, *workers):
        wait_healthy(engine, container)
        check_locked_down(engine, container)
    site.wait_workers(2)
    check_the_private_network(engine, manager, workers)

    files = photos()
    try:
        # Every kind of file that the site takes: what was trimmed away is needed for none.
        files += [(p.name, p.read_bytes()) for p in of_many_sizes(tmp_path / "pictures", 16)]
    except FileNotFoundError:
        print("\nno pictures of every kind: make_pictures is not built")
    done = site.client.wait_done(site.client.upload(files))
    assert {i["model"] for i in done.values()} == {"cifar10-inception"}
    sent = len(files)

    sent += workers_die_and_come_under_load(command, engine, site, workers)
    sent += manager_is_stopped_under_load(engine, site, manager)
    site.check_all_done(sent)


def check_the_private_network(engine, manager, workers):
    published = engine.inspect(manager, "{{json .HostConfig.PortBindings}}")
    assert "8080/tcp" in published and "2888" not in published and "9090" not in published
    website = engine.inspect(manager, "{{.NetworkSettings.Networks.imgrec_website.IPAddress}}")
    for worker in workers:
        assert engine.inspect(worker, "{{json .HostConfig.PortBindings}}") in ("{}", "null")
        assert can_connect(engine, worker, "manager", 2888)
        assert not can_connect(engine, worker, website, 8080), "a way out of the workers' network"


def can_connect(engine, container, host, port):
    return engine.docker("exec", container, "timeout", "2", "bash", "-c",
                         f"exec 3<>/dev/tcp/{host}/{port}", check=False).returncode == 0


class Load(threading.Thread):
    """Uploads pictures, a request at a time, until stop(); .ids and .files are what was accepted."""

    def __init__(self, site, first):
        super().__init__(daemon=True)
        self.client, self.number = Client(site), first
        self.ids, self.stopped, self.trouble = [], threading.Event(), None

    def run(self):
        try:
            while not self.stopped.is_set():
                self.ids += self.client.upload(pngs(20, first=self.number))
                self.number += 20
                self.stopped.wait(0.05)
        except Exception as trouble:  # told to whoever stops it
            self.trouble = trouble

    def stop(self):
        self.stopped.set()
        self.join(60)
        assert self.trouble is None, self.trouble
        return self.ids


def workers_die_and_come_under_load(command, engine, site, workers):
    load = Load(site, 10_000)
    load.start()
    wait_until(lambda: len(load.ids) >= 100, "some load")
    # One process dies: the restart policy brings it back. One container goes, another comes.
    os.kill(int(engine.inspect(workers[0], "{{.State.Pid}}")), signal.SIGKILL)
    engine.docker("rm", "--force", workers[1])
    command("up", "--detach", "--no-build", "--no-recreate", "--scale", "worker=3", timeout_s=180)
    wait_until(lambda: engine.inspect(workers[0], "{{.RestartCount}}") == "1", "a restart")
    site.wait_workers(3)
    time.sleep(0.5)
    ids = load.stop()
    load.client.wait_done(ids)
    print(f"\n{len(ids)} photos while workers died and came")
    return len(ids)


def manager_is_stopped_under_load(engine, site, manager):
    client = Client(site)
    ids = [i for n in range(10) for i in client.upload(pngs(100, first=50_000 + 100 * n))]
    start = time.monotonic()
    engine.docker("stop", "--time", "30", manager)
    took = time.monotonic() - start
    log = engine.docker("logs", manager).stderr
    left = re.findall(r"manager_stopped accepted=\d+ done=\d+ failed=0 open=(\d+)", log)
    assert engine.inspect(manager, "{{.State.ExitCode}}") == "0" and left, log[-2000:]
    print(f"\ndocker stop of the manager: {took:.1f} s, {left[-1]} photos left for later")
    engine.docker("start", manager)
    wait_healthy(engine, manager)
    client.wait_done(ids)
    return len(ids)


# ---- all in one ----
@pytest.fixture
def all_in_one(images):
    """A function: start(*flags, image=…) gives a Site."""
    engine = images
    started = []
    engine.docker("network", "create", "imgrec-test")

    def start(*flags, image="imgrec"):
        port = free_port()
        container = engine.out(
            "run", "--detach", "--network", "imgrec-test", "--publish", f"127.0.0.1:{port}:8080",
            "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--env", "IMGREC_WORKERS=2", *flags, image)
        started.append(container)
        return Site(engine, container, port)

    yield start
    for container in started:
        engine.docker("rm", "--force", "--volumes", container, check=False)
    engine.docker("network", "rm", "imgrec-test", check=False)


def kill_inside(site, program):
    """SIGKILL to the first process of that name."""
    inside = site.engine.out("top", site.container, "-eo", "pid,comm").splitlines()
    pid = next(int(line.split()[0]) for line in inside if line.split()[1] == program[:15])
    os.kill(pid, signal.SIGKILL)


def exit_code(site):
    return site.engine.inspect(site.container, "{{.State.Status}} {{.State.ExitCode}}")


def test_all_in_one_keeps_its_workers_and_drains(all_in_one):
    site = all_in_one()
    engine = site.engine
    wait_healthy(engine, site.container)
    site.wait_workers(2)
    check_locked_down(engine, site.container)
    site.client.wait_done(site.client.upload(photos()))

    kill_inside(site, "imgrec-worker")
    wait_until(lambda: "starting it again in 1 s" in engine.docker("logs", site.container).stderr,
               "the supervisor to see it")
    site.wait_workers(2)
    ids = site.client.upload(pngs(300, first=70_000))
    start = time.monotonic()
    engine.docker("stop", "--time", "30", site.container)
    assert exit_code(site) == "exited 0"
    assert time.monotonic() - start < 20
    engine.docker("start", site.container)
    wait_healthy(engine, site.container)
    site.client.wait_done(ids)
    site.check_all_done(len(photos()) + 300)


def test_all_in_one_ends_with_its_manager(all_in_one):
    site = all_in_one()
    wait_until(lambda: _answers(site), "an answer")
    kill_inside(site, "imgrec-manager")
    wait_until(lambda: exit_code(site).startswith("exited"), "the container to end")
    assert exit_code(site) == "exited 137"


def test_all_in_one_refuses_a_number_of_workers_that_is_none(images):
    run = images.docker("run", "--rm", "--network", "none", "--env", "IMGREC_WORKERS=two", "imgrec",
                        check=False)
    assert run.returncode == 2
    assert "IMGREC_WORKERS=two is not a whole number from 1 to 256" in run.stderr


def _answers(site):
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"http://{site.http_address}/readyz", timeout=5).status_code == 200


def test_a_worker_alone_is_unready_and_leaves_when_told(images):
    """The first process of a container gets no signal that it does not handle."""
    container = images.out("run", "--detach", "--read-only", "--network", "none", "imgrec-worker")
    try:
        wait_until(lambda: "worker_" in images.docker("logs", container).stderr, "its first words")
        check = images.docker("exec", container, "imgrec-healthcheck", check=False)
        assert check.returncode == 1, check
        start = time.monotonic()
        images.docker("stop", "--time", "30", container)
        assert time.monotonic() - start < 10
        assert images.inspect(container, "{{.State.ExitCode}}") == "0"
    finally:
        images.docker("rm", "--force", container)


def googlenet_files():
    """What a mirror of the authors' three files has; skips where there are none."""
    source = shared_dir() / "models" / "bvlc_googlenet"
    if not source.is_dir():
        pytest.skip(f"there is no {source}")
    labels = io.BytesIO()
    with tarfile.open(fileobj=labels, mode="w:gz") as tar:
        tar.add(source / "synset_words.txt", "./synset_words.txt")
    return {"bvlc_googlenet.caffemodel": (source / "bvlc_googlenet.caffemodel").read_bytes(),
            "deploy.prototxt": (source / "deploy.prototxt").read_bytes(),
            "caffe_ilsvrc12.tar.gz": labels.getvalue()}


def test_a_build_argument_brings_googlenet_in(images, all_in_one):
    engine, files = images, googlenet_files()
    weights = hashlib.sha1(files["bvlc_googlenet.caffemodel"]).hexdigest()
    with FileServer(files) as mirror, object_store() as store:
        build(engine, store, base_image(engine), "all-in-one", "imgrec-test-googlenet",
              "--build-arg=MODEL=googlenet", f"--build-arg=MODEL_FROM={mirror.url}",
              f"--build-arg=MODEL_SHA1={weights}")
    site = all_in_one(image="imgrec-test-googlenet")
    wait_healthy(engine, site.container)
    site.wait_workers(2)
    done = site.client.wait_done(site.client.upload(photos()))
    assert {image["model"] for image in done.values()} == {"bvlc_googlenet"}
    assert all(image["top"][0]["label"].startswith("n0") for image in done.values())
