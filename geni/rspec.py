#!/usr/bin/env python3
"""Writes the request RSpec of a manager and N workers, and reads the manifest that a testbed answers.

    geni/rspec.py request --workers 3 >geni/imgrec-3-workers.rspec.xml
    geni/rspec.py hosts manifest.xml >hosts.yaml

The request is GENI RSpec 3, as GENI's aggregates, CloudLab and Emulab take it. Uses Python's
standard library only.
"""
import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import quoteattr

from star import MANAGER, MAX_WORKERS, NETMASK, Star, hosts_file

NAMESPACE = "http://www.geni.net/resources/rspec/3"
# Short names for what the sites call their images. A site that has another one takes its URN.
IMAGES = {
    "ubuntu22": "urn:publicid:IDN+emulab.net+image+emulab-ops//UBUNTU22-64-STD",
    "debian12": "urn:publicid:IDN+emulab.net+image+emulab-ops//DEBIAN12-64-STD",
}
# What the sites call a virtual machine, and a whole one.
SLIVER_TYPES = ("emulab-xen", "raw-pc", "default-vm")
MAX_MANIFEST_BYTES = 16 << 20


def request(star, image, sliver_type, bandwidth_kbps, site):
    """The text of the request. Interfaces are named NODE:if-of-the-link, which is what links name."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>',
             "<!-- One manager, each worker on a link of its own. Made by geni/rspec.py; do not edit. -->",
             f'<rspec xmlns="{NAMESPACE}"',
             '       xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
             f'       xsi:schemaLocation="{NAMESPACE} {NAMESPACE}/request.xsd"',
             '       type="request">']
    lines += _node(MANAGER, [(link, link.manager_address) for link in star.links],
                   image, sliver_type, site)
    for link in star.links:
        lines += _node(link.worker, [(link, link.worker_address)], image, sliver_type, site)
    for link in star.links:
        lines += _link(link, bandwidth_kbps)
    lines.append("</rspec>")
    return "\n".join(lines) + "\n"


def _interface(node, link):
    return f"{node}:{link.name}"


def _node(name, ends, image, sliver_type, site):
    exclusive = "true" if sliver_type == "raw-pc" else "false"
    where = f" component_manager_id={quoteattr(site)}" if site else ""
    lines = [f'  <node client_id="{name}" exclusive="{exclusive}"{where}>',
             f'    <sliver_type name="{sliver_type}">',
             f"      <disk_image name={quoteattr(image)}/>",
             "    </sliver_type>"]
    for link, address in ends:
        lines += [f'    <interface client_id="{_interface(name, link)}">',
                  f'      <ip address="{address}" netmask="{NETMASK}" type="ipv4"/>',
                  "    </interface>"]
    return lines + ["  </node>"]


def _link(link, bandwidth_kbps):
    ends = (_interface(MANAGER, link), _interface(link.worker, link))
    lines = [f'  <link client_id="{link.name}">',
             *(f'    <interface_ref client_id="{end}"/>' for end in ends)]
    if bandwidth_kbps:
        # A property is of one direction.
        lines += [f'    <property source_id="{source}" dest_id="{dest}" capacity="{bandwidth_kbps}"/>'
                  for source, dest in (ends, ends[::-1])]
    return lines + ['    <link_type name="lan"/>', "  </link>"]


class BadManifest(Exception):
    """What is wrong with a manifest, for people."""


def read_manifest(text):
    """(star, {node: ssh destination}) of a manifest. It is from outside: no document types, which
    could grow without bound, and nothing but plain names and addresses gets out of here."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BadManifest("it declares a document type; a testbed's manifest has none")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise BadManifest(f"it is no XML: {error}") from error
    if root.tag != f"{{{NAMESPACE}}}rspec":
        raise BadManifest(f"its root is {root.tag[:100]!r}, not an rspec of {NAMESPACE}")
    logins, addresses = {}, {}
    for node in root.iter(f"{{{NAMESPACE}}}node"):
        name = node.get("client_id", "")
        logins[name] = _login(node, name)
        addresses[name] = {ip.get("address") for ip in node.iter(f"{{{NAMESPACE}}}ip")}
    count = len(logins) - 1
    if not 1 <= count <= MAX_WORKERS:
        raise BadManifest(f"it has {len(logins)} nodes, not a manager and 1 to {MAX_WORKERS} workers")
    star = Star(count)
    if set(logins) != set(star.nodes):
        raise BadManifest(f"its nodes are not called {MANAGER} and worker-1 to worker-{count}")
    for link in star.links:
        for node, address in ((MANAGER, link.manager_address), (link.worker, link.worker_address)):
            if address not in addresses[node]:
                raise BadManifest(f"{node} has no interface with {address}, as our request asks for")
    return star, logins


def _login(node, name):
    login = node.find(f"{{{NAMESPACE}}}services/{{{NAMESPACE}}}login")
    if login is None:
        raise BadManifest(f"node {name[:64]!r} has no login yet: is the experiment ready?")
    user, host = login.get("username", ""), login.get("hostname", "")
    port = login.get("port", "22")
    # A leading dash would be an option to ssh.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", user) or \
            not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", host):
        raise BadManifest(f"node {name[:64]!r} has no login that is a plain user at a plain host name")
    if not re.fullmatch(r"[0-9]{1,5}", port):
        raise BadManifest(f"node {name[:64]!r} has no port that is a number")
    return f"{user}@{host}" if port == "22" else f"ssh://{user}@{host}:{port}"


def whole_number(low, high):
    def parse(text):
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)
    return parse


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("request", help="print the request RSpec")
    make.add_argument("--workers", type=whole_number(1, MAX_WORKERS), default=3, metavar="N")
    make.add_argument("--image", default="ubuntu22", help="ubuntu22, debian12 or a disk image's URN")
    make.add_argument("--sliver-type", choices=SLIVER_TYPES, default="emulab-xen",
                      help="emulab-xen and default-vm are virtual machines, raw-pc is a whole one")
    make.add_argument("--bandwidth", type=whole_number(0, 100_000_000), default=0, metavar="KBPS",
                      help="of each link, in kbit/s; 0: as the site gives it")
    make.add_argument("--site", default="", metavar="URN",
                      help="component manager that all nodes are to be at; without: where you submit it")
    hosts = verbs.add_parser("hosts", help="print the hosts file of a manifest")
    hosts.add_argument("manifest", help="file with the manifest RSpec, or - for standard input")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse_arguments(arguments)
    if options.verb == "request":
        image = IMAGES.get(options.image, options.image)
        if not image.startswith("urn:publicid:IDN+"):
            print(f"rspec.py: --image {image!r}: neither {', '.join(IMAGES)} nor a URN "
                  "(urn:publicid:IDN+...)", file=sys.stderr)
            return 2
        sys.stdout.write(request(Star(options.workers), image, options.sliver_type,
                                 options.bandwidth, options.site))
        return 0
    try:
        file = sys.stdin.buffer if options.manifest == "-" else open(options.manifest, "rb")
        with file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
        if len(data) > MAX_MANIFEST_BYTES:
            raise BadManifest(f"it is larger than {MAX_MANIFEST_BYTES >> 20} MiB")
        star, logins = read_manifest(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError, BadManifest) as error:
        print(f"rspec.py: {options.manifest}: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(hosts_file(star, logins.__getitem__))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
