"""Network namespaces without names, for tests that need root: each is held open by this process alone,
so that it, and every device in it, is gone when the process ends, however it ends.

    with Sandbox() as site:
        site.path                          # a file that names it, for other programs
        with site.entered():               # sockets made here are its own, and stay so
            listener = socket.create_server(("10.0.0.1", 0))
        packets, octets = site.received()
"""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct

import pytest

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
RTM_DELLINK, NLM_F_REQUEST, NLM_F_ACK = 17, 1, 4
_libc = ctypes.CDLL("libc.so.6", use_errno=True)


def _check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def skip_without_namespaces():
    """Skips the test where this machine or this user cannot do what Sandbox and imgrec-link need."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces and TUN devices want root")
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
        Sandbox().close()
    except OSError as error:
        pytest.skip(f"no network namespaces or no TUN device here: {error}")


class Sandbox:
    def __init__(self):
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _check(_libc.unshare(CLONE_NEWNET))
            try:
                self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            finally:
                _check(_libc.setns(own, CLONE_NEWNET))
        finally:
            os.close(own)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in the namespace."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _check(_libc.setns(self.fd, CLONE_NEWNET))
            try:
                yield
            finally:
                _check(_libc.setns(own, CLONE_NEWNET))
        finally:
            os.close(own)

    def start_loopback(self):
        """So that programs in it reach each other."""
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            name_and_flags = struct.pack("16sh14x", b"lo", IFF_UP)
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, name_and_flags)

    def devices(self):
        """Their names, without lo."""
        with self.entered(), open("/proc/thread-self/net/dev") as file:
            names = [line.split(":")[0].strip() for line in file.readlines()[2:]]
        return [name for name in names if name != "lo"]

    def delete_device(self, name):
        with self.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
            about = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex(name), 0, 0)
            head = struct.pack("=IHHII", 16 + len(about), RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
            route.send(head + about)
            error = struct.unpack("=i", route.recv(4096)[16:20])[0]
        if error:
            raise OSError(-error, os.strerror(-error))

    def received(self):
        """(IP packets, bytes) that reached this namespace, as its kernel counts them."""
        with self.entered():
            packets = _snmp("/proc/thread-self/net/snmp", "Ip", "InReceives")
            octets = _snmp("/proc/thread-self/net/netstat", "IpExt", "InOctets")
        return packets, octets


def _snmp(path, family, field):
    with open(path) as file:
        lines = [line.split() for line in file if line.startswith(family + ":")]
    return int(lines[1][lines[0].index(field)])
