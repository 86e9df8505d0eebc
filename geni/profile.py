"""imgrec: a website that recognises photos on a cluster, ready for experiments.

One manager and some workers, each worker on a link of its own to the manager, as in
imgrec-3-workers.rspec.xml. The nodes come up bare; geni/cluster.sh, run on your own machine, brings
imgrec onto them.

Instructions:
On your own machine, in a clone of imgrec: save this experiment's manifest (Manifest tab) as
manifest.xml, then run

    geni/rspec.py hosts manifest.xml >hosts.yaml
    geni/cluster.sh up --hosts hosts.yaml

and open the website as the last lines say.
"""
# Runs in the portals of CloudLab and Emulab, alone and on the Python that they have (2 or 3).
# That it asks for the same as rspec.py is a test: tests/integration/test_geni_rspec.py.
import geni.portal as portal
import geni.rspec.pg as pg

NETMASK = "255.255.255.0"
MAX_WORKERS = 254
IMAGES = [
    ("urn:publicid:IDN+emulab.net+image+emulab-ops//UBUNTU22-64-STD", "Ubuntu 22.04"),
    ("urn:publicid:IDN+emulab.net+image+emulab-ops//DEBIAN12-64-STD", "Debian 12 (where the site has it)"),
]
KINDS = [("xen", "virtual machines"), ("raw", "whole machines")]


def define_parameters(context):
    kind = portal.ParameterType
    context.defineParameter("workers", "Workers", kind.INTEGER, 3,
                            longDescription="Each on its own link to the manager; 1 to %d." % MAX_WORKERS)
    context.defineParameter("image", "System", kind.IMAGE, IMAGES[0], IMAGES)
    context.defineParameter("machines", "Machines", kind.STRING, KINDS[0], KINDS)
    context.defineParameter("hardware", "Hardware type (whole machines only)", kind.NODETYPE, "",
                            longDescription="Empty: whatever is free.", advanced=True)
    context.defineParameter("bandwidth", "Bandwidth of each link in kbit/s", kind.BANDWIDTH, 0.0,
                            longDescription="0: as the site gives it.", advanced=True)


def make_node(request, name, parameters):
    node = request.RawPC(name) if parameters.machines == "raw" else request.XenVM(name)
    node.disk_image = parameters.image
    if parameters.machines == "raw" and parameters.hardware:
        node.hardware_type = parameters.hardware
    return node


def add_end(node, link_name, address):
    interface = node.addInterface(link_name)
    interface.addAddress(pg.IPv4Address(address, NETMASK))
    return interface


def build(request, parameters):
    manager = make_node(request, "manager", parameters)
    for i in range(1, parameters.workers + 1):
        name = "link-%d" % i
        worker = make_node(request, "worker-%d" % i, parameters)
        # geni-lib's Link asks for the type "lan", which every site has.
        link = request.Link(name)
        link.addInterface(add_end(manager, name, "10.10.%d.1" % i))
        link.addInterface(add_end(worker, name, "10.10.%d.2" % i))
        if parameters.bandwidth > 0:
            link.bandwidth = int(parameters.bandwidth)


def main():
    context = portal.Context()
    define_parameters(context)
    parameters = context.bindParameters()
    if not 1 <= parameters.workers <= MAX_WORKERS:
        context.reportError(portal.ParameterError(
            "There can be 1 to %d workers." % MAX_WORKERS, ["workers"]))
    if parameters.bandwidth < 0:
        context.reportError(portal.ParameterError("A bandwidth is not negative.", ["bandwidth"]))
    context.verifyParameters()
    build(context.makeRequestRSpec(), parameters)
    context.printRequestRSpec()


main()
