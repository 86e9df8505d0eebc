"""The container images, built by docker/Dockerfile in an engine of the tests' own: fast where little
changed, since base image, layers and compiled objects are kept in ~/.cache/imgrec.

    with DockerEngine(cache_dir() / "docker") as engine:
        build_images(engine)                  # imgrec-manager, imgrec-worker, imgrec

Skips the test, with the reason, where Debian's packages cannot be had.
"""
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import time

import pytest
from cluster import REPO
from docker_engine import cache_dir
from object_store import ObjectStore

BUILD_S = 1200
COMPILED = "bench client cmake common manager media models net proto training worker".split()


def base_image(engine):
    file = cache_dir() / "debian-12-slim.tar"
    made = subprocess.run([REPO / "ci" / "base_image.sh", file], capture_output=True, text=True,
                          timeout=BUILD_S, check=False)
    if made.returncode == 3:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr
    tag = f"imgrec-test-base:{int(file.stat().st_mtime)}"
    # Imported once: each import has another id, and nothing built on the last one would count.
    if engine.docker("image", "inspect", tag, check=False).returncode != 0:
        engine.docker("import", "--change", 'CMD ["bash"]', file, tag)
    return tag


def sources_digest():
    """Of all that the images compile."""
    digest = hashlib.sha256()
    for path in [REPO / "CMakeLists.txt", REPO / "CMakePresets.json",
                 *sorted(p for d in COMPILED for p in (REPO / d).rglob("*") if p.is_file())]:
        digest.update(f"{path.relative_to(REPO)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def share_objects(folder):
    """What the build outside has compiled, for the build inside: the compiler and the headers are the
    same. Without ccache the images compile everything themselves."""
    if not shutil.which("ccache"):
        return
    build = REPO / "build" / "container-objects"
    environment = {**os.environ, "CCACHE_REMOTE_STORAGE": f"file:{folder}", "CCACHE_RESHARE": "true"}
    for command in (["cmake", "--preset", "release", "-B", build, "-DIMGREC_TESTS=OFF"],
                    ["cmake", "--build", build, "--parallel", str(os.cpu_count()), "--target",
                     "imgrec", "imgrec-manager", "imgrec-worker"]):
        subprocess.run(command, cwd=REPO, env=environment, check=True, capture_output=True,
                       timeout=BUILD_S)


@contextlib.contextmanager
def object_store():
    """At the same port as the last time, since its address is an argument of cached layers."""
    folder, port_file = cache_dir() / "objects", cache_dir() / "objects.port"
    folder.mkdir(parents=True, exist_ok=True)
    done = cache_dir() / "objects.digest"
    digest = sources_digest()
    if not done.exists() or done.read_text() != digest:
        share_objects(folder)
    try:
        store = ObjectStore(folder, int(port_file.read_text()))
    except (OSError, ValueError):
        store = ObjectStore(folder)
        port_file.write_text(str(store.port))
    with store:
        yield store
    done.write_text(digest)


def build(engine, store, base, target, tag, *arguments):
    """Returns how many steps were not in the cache."""
    proxies = [f"--build-arg={name}" for name in
               ("http_proxy", "https_proxy", "no_proxy") if os.environ.get(name)]
    start = time.monotonic()
    done = engine.docker(
        "build", "--network", "host", "--file", REPO / "docker" / "Dockerfile", "--target", target,
        "--tag", tag, f"--build-arg=BASE={base}", f"--build-arg=CCACHE_REMOTE_STORAGE={store.url}",
        *proxies, *arguments, REPO, timeout_s=BUILD_S, check=False)
    log = cache_dir() / f"docker-build-{target}.log"
    log.write_text(done.stdout + done.stderr)
    if done.returncode != 0 and re.search(r"Temporary failure resolving|Could not connect", done.stdout):
        pytest.skip(f"no network to Debian's packages in docker build ({log})")
    assert done.returncode == 0, f"{log}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    print(f"\n{tag}: built in {time.monotonic() - start:.0f} s, "
          f"{done.stdout.count('---> Using cache')} steps from the cache")


def build_images(engine):
    base = base_image(engine)
    with object_store() as store:
        # The builders and the shared runtime have names too, so that pruning leaves them.
        for target, tag in (("runtime", "imgrec-test-runtime"),
                            ("tools", "imgrec-test-tools"),
                            ("build-manager", "imgrec-test-build-manager"),
                            ("manager", "imgrec-manager"),
                            ("worker-tools", "imgrec-test-worker-tools"),
                            ("build-worker", "imgrec-test-build-worker"),
                            ("worker-runtime", "imgrec-test-worker-runtime"),
                            ("worker", "imgrec-worker"), ("all-in-one", "imgrec")):
            build(engine, store, base, target, tag)
        print(f"\n{store.hits} objects were there, {store.stored} were compiled inside")
    engine.docker("container", "prune", "--force")  # of builds that were interrupted
    engine.docker("image", "prune", "--force")      # of earlier sources
