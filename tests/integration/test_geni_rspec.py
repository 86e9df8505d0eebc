"""The GENI request: what is committed is what the generator prints, it keeps the rules of RSpec 3,
the geni-lib profile asks for the same, and a manifest becomes a hosts file."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree

import pytest

GENI = pathlib.Path(__file__).resolve().parents[2] / "geni"
RSPEC = GENI / "rspec.py"
COMMITTED = GENI / "imgrec-3-workers.rspec.xml"
N = "{http://www.geni.net/resources/rspec/3}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
# What RSpec 3's request schema lets an element of those that we use hold: (attributes it must have,
# attributes it may have, elements it must have, elements it may have). The subset is ours, the
# rules are the schema's, where ProtoGENI's RSpec 2 has the same under its own namespace.
RULES = {
    "rspec": ({"type", XSI + "schemaLocation"}, {"generated", "generated_by", "expires"},
              set(), {"node", "link"}),
    "node": ({"client_id"}, {"exclusive", "component_manager_id"}, {"sliver_type"},
             {"interface", "services", "hardware_type"}),
    "sliver_type": ({"name"}, set(), set(), {"disk_image"}),
    "disk_image": ({"name"}, {"os", "version", "description"}, set(), set()),
    "interface": ({"client_id"}, set(), set(), {"ip"}),
    "ip": ({"address"}, {"netmask", "type"}, set(), set()),
    "link": ({"client_id"}, set(), {"interface_ref"},
             {"property", "link_type", "component_manager"}),
    "interface_ref": ({"client_id"}, set(), set(), set()),
    "property": ({"source_id", "dest_id"}, {"capacity", "latency", "packet_loss"}, set(), set()),
    "link_type": ({"name"}, {"class"}, set(), set()),
    "hardware_type": ({"name"}, set(), set(), set()),
}


def rspec(*arguments, **keywords):
    return subprocess.run([RSPEC, *arguments], capture_output=True, text=True, timeout=60, **keywords)


def check_rules(element):
    """Fails where `element`, or what is in it, breaks RULES."""
    name = element.tag.removeprefix(N)
    must, may, must_hold, may_hold = RULES[name]
    assert must <= set(element.keys()) <= must | may, (name, element.attrib)
    held = {child.tag.removeprefix(N) for child in element}
    assert must_hold <= held <= must_hold | may_hold, (name, held)
    for child in element:
        check_rules(child)


def topology(root):
    """What matters of a request: {node: {interface: address}}, {link: its interfaces}, images."""
    nodes, links, images = {}, {}, set()
    for node in root.iter(N + "node"):
        nodes[node.get("client_id")] = {i.get("client_id"): i.find(N + "ip").get("address")
                                        for i in node.iter(N + "interface")}
        images.add(node.find(f"{N}sliver_type/{N}disk_image").get("name"))
        assert {ip.get("netmask") for ip in node.iter(N + "ip")} == {"255.255.255.0"}
    for link in root.iter(N + "link"):
        links[link.get("client_id")] = {r.get("client_id") for r in link.iter(N + "interface_ref")}
    return nodes, links, images


def test_the_committed_request_is_what_the_generator_prints():
    assert rspec("request", "--workers", "3").stdout == COMMITTED.read_text(), \
        "run geni/rspec.py request --workers 3 >geni/imgrec-3-workers.rspec.xml"


@pytest.mark.parametrize("arguments", [
    ["--workers", "1"], ["--workers", "3"], ["--workers", "254"],
    ["--sliver-type", "raw-pc", "--image", "debian12", "--bandwidth", "100000",
     "--site", "urn:publicid:IDN+emulab.net+authority+cm"]])
def test_requests_keep_the_rules_of_rspec_3(arguments):
    root = ElementTree.fromstring(rspec("request", *arguments).stdout)
    assert root.tag == N + "rspec" and root.get("type") == "request"
    assert root.get(XSI + "schemaLocation").split() == [N[1:-1], N[1:-1] + "/request.xsd"]
    check_rules(root)
    nodes, links, _ = topology(root)
    names = [i for interfaces in nodes.values() for i in interfaces]
    assert len(names) == len(set(names)), "interfaces are named once in a request"
    addresses = [a for interfaces in nodes.values() for a in interfaces.values()]
    assert len(addresses) == len(set(addresses))
    for ends in links.values():
        assert len(ends) == 2 and ends <= set(names)


def test_each_worker_has_a_link_of_its_own():
    nodes, links, _ = topology(ElementTree.fromstring(rspec("request", "--workers", "5").stdout))
    assert set(nodes) == {"manager"} | {f"worker-{i}" for i in range(1, 6)}
    assert len(nodes["manager"]) == len(links) == 5
    for i in range(1, 6):
        assert list(nodes[f"worker-{i}"].values()) == [f"10.10.{i}.2"]
        assert nodes["manager"][f"manager:link-{i}"] == f"10.10.{i}.1"
        assert links[f"link-{i}"] == {f"manager:link-{i}", f"worker-{i}:link-{i}"}


@pytest.mark.parametrize("arguments, word", [
    (["--workers", "0"], "from 1 to 254"), (["--workers", "255"], "from 1 to 254"),
    (["--workers", "three"], "whole number"), (["--image", "windows"], "neither ubuntu22")])
def test_wrong_usage_is_said(arguments, word):
    done = rspec("request", *arguments)
    assert done.returncode == 2 and word in done.stderr and not done.stdout


# What runs profile.py as a portal does, on geni-lib as translated to Python 3. Its writeXML opens
# its file for text and writes bytes, which Python 2 let pass.
PORTAL = """
import runpy, sys
import geni.rspec.pg as pg
def write(self, path):
    with open(path, "wb") as file:
        file.write(self.toXMLString(pretty_print=True))
pg.Request.writeXML = write
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture(scope="module")
def geni_lib(tmp_path_factory):
    """A folder with the geni-lib of PyPI, translated from Python 2."""
    installed = pathlib.Path(sysconfig.get_path("purelib")) / "geni"
    if not installed.is_dir():
        pytest.skip("there is no geni-lib: ci/test-tools.sh could not install it")
    folder = tmp_path_factory.mktemp("geni-lib")
    shutil.copytree(installed, folder / "geni")
    # Only what a profile needs: translating all of it takes half a minute.
    needed = [folder / "geni" / "portal.py", *(folder / "geni").glob("*.py"),
              *(folder / "geni" / "rspec").glob("*.py")]
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "lib2to3", "-w", "-n", "--no-diffs",
                           *sorted(set(needed))], capture_output=True, text=True, timeout=300)
    if done.returncode != 0 and "No module named" in done.stderr:
        pytest.skip("there is no lib2to3 to translate geni-lib with")
    assert done.returncode == 0, done.stderr
    return folder


def run_profile(geni_lib, tmp_path, **parameters):
    values, out = tmp_path / "parameters.json", tmp_path / "profile.xml"
    values.write_text(json.dumps(parameters))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(geni_lib), "GENILIB_PORTAL_MODE": "1",
                   "GENILIB_PORTAL_REQUEST_PATH": str(out), "GENILIB_PORTAL_PARAMS_PATH": str(values)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PORTAL, GENI / "profile.py"],
                          env=environment, capture_output=True, text=True, timeout=120)
    return done, out


@pytest.mark.parametrize("workers", [1, 3, 7])
def test_the_profile_asks_for_the_same(geni_lib, tmp_path, workers):
    done, out = run_profile(geni_lib, tmp_path, workers=workers)
    assert done.returncode == 0, done.stderr
    profile = ElementTree.parse(out).getroot()
    ours = ElementTree.fromstring(rspec("request", "--workers", str(workers)).stdout)
    assert profile.tag == ours.tag and profile.get("type") == ours.get("type")
    assert topology(profile) == topology(ours)
    kinds = {node.find(N + "sliver_type").get("name") for node in profile.iter(N + "node")}
    assert kinds == {"emulab-xen"}


def test_the_profile_takes_whole_machines_and_a_bandwidth(geni_lib, tmp_path):
    done, out = run_profile(geni_lib, tmp_path, workers=2, machines="raw", hardware="m510",
                            bandwidth=100000)
    assert done.returncode == 0, done.stderr
    root = ElementTree.parse(out).getroot()
    for node in root.iter(N + "node"):
        assert node.find(N + "sliver_type").get("name") == "raw"  # geni-lib's word for raw-pc
        assert node.find(N + "hardware_type").get("name") == "m510"
    assert {p.get("capacity") for p in root.iter(N + "property")} == {"100000"}


def test_the_profile_refuses_a_wrong_number_of_workers(geni_lib, tmp_path):
    done, out = run_profile(geni_lib, tmp_path, workers=0)
    assert done.returncode == 101 and "1 to 254" in done.stderr and not out.exists()


def manifest(workers=3, edit=lambda text: text):
    """Our request as a testbed answers it: with a login for each node."""
    text = rspec("request", "--workers", str(workers)).stdout.replace('type="request"', 'type="manifest"')
    number = iter(range(1, 1000))
    text = re.sub(r"  </node>", lambda _: (
        '    <services><login authentication="ssh-keys" port="22" username="ana" '
        f'hostname="pc{next(number)}.example.net"/></services>\n  </node>'), text)
    return edit(text)


def test_a_manifest_becomes_a_hosts_file():
    done = rspec("hosts", "-", input=manifest())
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "manager: {ssh: ana@pc1.example.net, address: 10.10.1.1}",
        "workers:",
        "  - {ssh: ana@pc2.example.net, address: 10.10.1.2, manager_address: 10.10.1.1}",
        "  - {ssh: ana@pc3.example.net, address: 10.10.2.2, manager_address: 10.10.2.1}",
        "  - {ssh: ana@pc4.example.net, address: 10.10.3.2, manager_address: 10.10.3.1}"]


@pytest.mark.parametrize("edit, word", [
    (lambda t: t.replace("<rspec", "<!DOCTYPE x [<!ENTITY a 'b'>]>\n<rspec", 1), "document type"),
    (lambda t: t[:500], "no XML"),
    (lambda t: t.replace("resources/rspec/3", "resources/rspec/2"), "not an rspec"),
    (lambda t: t.replace('hostname="pc2.example.net"', 'hostname="-oProxyCommand=x"'), "plain"),
    (lambda t: t.replace('username="ana"', 'username="ana;rm"'), "plain"),
    (lambda t: t.replace("10.10.2.2", "10.10.9.2"), "no interface with 10.10.2.2"),
    (lambda t: t.replace("worker-2", "other"), "not called"),
    (lambda t: re.sub(r"<services>.*</services>", "", t), "no login yet")])
def test_a_bad_manifest_is_refused_with_its_reason(edit, word):
    done = rspec("hosts", "-", input=manifest(edit=edit))
    assert done.returncode == 1 and word in done.stderr and not done.stdout
