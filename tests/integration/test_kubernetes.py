"""The chart in a real cluster: ci/kubernetes/node.sh raises a control plane and a node on this machine,
ci/k8s_smoke.sh installs the images that test_docker.py builds too, and does to them what must lose no
photo.

Needs root and Kubernetes' components, which ci/kubernetes/components.sh builds once, and which
takes too long to be part of a first ./test.sh.
"""
import os
import subprocess

import pytest
from cluster import REPO
from container_images import build_images
from docker_engine import DockerEngine, Unavailable, cache_dir

NODE = REPO / "ci" / "kubernetes" / "node.sh"
SMOKE_S = 900
NODE_DNS = "10.213.7.2/32"  # CoreDNS runs on the node itself, and not in a Pod


@pytest.fixture(scope="module")
def components():
    """Their folder. The first to be asked for: without them the images, which take minutes, are of no use."""
    script = REPO / "ci" / "kubernetes" / "components.sh"
    where = subprocess.run([script, "--where"], capture_output=True, text=True, check=False)
    if where.returncode != 0:
        pytest.skip("Kubernetes is not built here: ci/kubernetes/components.sh does it")
    return where.stdout.strip()


@pytest.fixture(scope="module")
def image_files(components, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    try:
        with DockerEngine(cache_dir() / "docker") as engine:
            build_images(engine)
            for name in ("manager", "worker"):
                engine.docker("tag", f"imgrec-{name}", f"imgrec-{name}:smoke")
                engine.docker("save", "--output", folder / f"{name}.tar", f"imgrec-{name}:smoke", timeout_s=300)
    except Unavailable as reason:
        pytest.skip(str(reason))
    return [folder / "manager.tar", folder / "worker.tar"]


@pytest.fixture(scope="module")
def node(components):
    up = subprocess.run([NODE, "up"], capture_output=True, text=True, timeout=400, check=False)
    if up.returncode in (3, 4):  # something is missing, or somebody's cluster is up
        pytest.skip(up.stderr.strip())
    assert up.returncode == 0, up.stderr[-6000:]
    try:
        config = subprocess.run([NODE, "kubeconfig"], capture_output=True, text=True, check=True).stdout.strip()
        # kubectl of the version that the node has.
        yield {**os.environ, "KUBECONFIG": config,
               "PATH": f"{components}:{os.environ['PATH']}"}
    finally:
        subprocess.run([NODE, "down"], capture_output=True, timeout=600, check=False)


def test_nothing_is_lost_in_a_cluster(image_files, node):
    subprocess.run([NODE, "load", *image_files], capture_output=True, timeout=300, check=True)
    smoke = subprocess.run(
        [REPO / "ci" / "k8s_smoke.sh", "--no-build", "--load", "none", "--policies", "--seconds", "1", "--",
         "--set-json", f'networkPolicy.dnsTo=[{{"ipBlock":{{"cidr":"{NODE_DNS}"}}}}]'],
        env=node, capture_output=True, text=True, timeout=SMOKE_S, check=False)
    print(smoke.stdout)
    if smoke.returncode == 3:
        pytest.skip(smoke.stderr.strip())
    assert smoke.returncode == 0, smoke.stdout[-4000:] + smoke.stderr[:2000] + "…" + smoke.stderr[-8000:]
    assert "nothing was lost" in smoke.stdout
