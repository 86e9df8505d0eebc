"""The course project's topology as data: one manager, N workers, each worker on a link of its own.

    star = Star(3)
    star.links[0]      # Link(index=1, worker="worker-1", manager_address="10.10.1.1", ...)

Nothing here touches a network: rspec.py writes it down for a testbed, lab/network.py makes it of
namespaces on this machine, and the tests hold the two against each other.
"""
import dataclasses

MANAGER = "manager"
NETMASK = "255.255.255.0"
PREFIX_BITS = 24
# 10.10.1.0/24 to 10.10.254.0/24: what a link each leaves within 10.10.0.0/16.
MAX_WORKERS = 254


@dataclasses.dataclass(frozen=True)
class Link:
    """One point-to-point link: the manager's end and the worker's end, in a network of its own."""

    index: int  # from 1

    @property
    def name(self):
        return f"link-{self.index}"

    @property
    def worker(self):
        return f"worker-{self.index}"

    @property
    def manager_address(self):
        return f"10.10.{self.index}.1"

    @property
    def worker_address(self):
        return f"10.10.{self.index}.2"


class Star:
    """A manager and its workers, by name, with the links between them."""

    def __init__(self, workers):
        if not 1 <= workers <= MAX_WORKERS:
            raise ValueError(f"{workers} workers: from 1 to {MAX_WORKERS} each have a link of their own")
        self.links = [Link(i) for i in range(1, workers + 1)]

    @property
    def workers(self):
        return [link.worker for link in self.links]

    @property
    def nodes(self):
        return [MANAGER, *self.workers]


def hosts_file(star, ssh_of):
    """The text of a hosts file, as cluster.sh reads it: one line a machine. `ssh_of` gives what
    the experimenter's ssh is to be told for a node's name."""
    first = star.links[0]
    lines = ["# One line a machine, in this shape (geni/README.md).",
             f"manager: {{ssh: {ssh_of(MANAGER)}, address: {first.manager_address}}}",
             "workers:"]
    for link in star.links:
        lines.append(f"  - {{ssh: {ssh_of(link.worker)}, address: {link.worker_address}, "
                     f"manager_address: {link.manager_address}}}")
    return "\n".join(lines) + "\n"
