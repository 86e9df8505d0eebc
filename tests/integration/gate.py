"""A bad network between two programs: a TCP proxy on loopback that tests can make worse while it
runs.

    gate = Gate(("127.0.0.1", 2888), seed=7)
    ... connect to gate.address instead ...
    gate.set("up", delay_s=0.5, jitter_s=0.1)     # "up": from who connected; "down"; "both"
    gate.set("both", rate=50_000, slices=7)       # bytes a second; pieces of 1 to 7 bytes
    gate.set("down", stall=HOLD)                  # goes on reading, forwards nothing
    gate.set("down", stall=UNREAD)                # does not even read
    gate.clear()                                  # a good network again
    gate.corrupt_next("up")                       # changes a byte of what comes next
    gate.cut_all(RST)                             # now; or gate.cut_next("up", after=100)
    gate.newcomers = BLACK_HOLE                   # new connections: nobody answers
    gate.close()

One thread runs everything; the verbs may be called from any other. What comes out of a stall is
what went in: bytes are late, changed on purpose or cut off, never lost in the middle, as with TCP.
"""
import asyncio
import dataclasses
import random
import socket
import struct
import threading
import time

FIN, RST = "fin", "rst"
FLOW, HOLD, UNREAD = "flow", "hold", "unread"
FORWARD, BLACK_HOLE, REFUSE = "forward", "black hole", "refuse"
DIRECTIONS = ("up", "down")
POLL_S = 0.01
PIECE = 64 * 1024
MOST_HELD = 64 << 20  # bytes of one direction on their way; then it is not read


@dataclasses.dataclass
class Faults:
    """What one direction suffers."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    rate: float = 0.0  # bytes a second; 0: no limit
    slices: int = 0  # longest piece, each of random length; 0: as they come
    stall: str = FLOW


class Link:
    """One connection through the gate."""

    def __init__(self, gate, number, client, server):
        self.gate = gate
        self.number = number
        self.sockets = {"up": (client, server), "down": (server, client)}
        self.forwarded = {"up": 0, "down": 0}
        self.cut_at = {"up": None, "down": None}  # bytes forwarded
        self.filters = {d: gate.new_filter(self, d) if gate.new_filter else None
                        for d in DIRECTIONS}
        self.open = True
        self.how = FIN
        self.cutting = asyncio.Event()

    async def run(self):
        tasks = [asyncio.ensure_future(self._direction(d)) for d in DIRECTIONS]
        done = asyncio.ensure_future(asyncio.gather(*tasks, return_exceptions=True))
        cut = asyncio.ensure_future(self.cutting.wait())
        await asyncio.wait([done, cut], return_when=asyncio.FIRST_COMPLETED)
        for task in [*tasks, cut]:
            task.cancel()
        await done
        self._end()

    def cut(self, how):
        """On the gate's thread."""
        if self.open and not self.cutting.is_set():
            self.how = how
            self.cutting.set()

    def _end(self):
        self.open = False
        for side in self.sockets["up"]:
            if self.how == RST:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side.close()

    async def _direction(self, direction):
        queue = asyncio.Queue()
        held = [0]
        reader = asyncio.ensure_future(self._read(direction, queue, held))
        try:
            await self._write(direction, queue, held)
        except OSError:
            self.cut(RST)  # a side is gone, perhaps by kill -9: so is the other
        finally:
            reader.cancel()  # and off the socket before that is closed
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, direction, queue, held):
        source = self.sockets[direction][0]
        loop = asyncio.get_running_loop()
        while True:
            while self.gate.faults[direction].stall == UNREAD or held[0] > MOST_HELD:
                await asyncio.sleep(POLL_S)
            try:
                data = await loop.sock_recv(source, PIECE)
            except OSError:
                self.cut(RST)
                return
            faults = self.gate.faults[direction]
            late = faults.delay_s + self.gate.random.uniform(0, faults.jitter_s)
            held[0] += len(data)
            queue.put_nowait((time.monotonic() + late, data))
            if not data:
                return

    async def _write(self, direction, queue, held):
        target = self.sockets[direction][1]
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            while self.gate.faults[direction].stall != FLOW:
                await asyncio.sleep(POLL_S)
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            if self.filters[direction]:
                data = self.filters[direction](data)
            data = self.gate.take_corruption(direction, data)
            for piece in self._pieces(direction, data):
                await loop.sock_sendall(target, piece)
                self.forwarded[direction] += len(piece)
                held[0] -= len(piece)
                if self.forwarded[direction] == self.cut_at[direction]:
                    self.gate.count("cut in a frame")
                    self.cut(self.gate.cut_how)
                    return
                rate = self.gate.faults[direction].rate
                if rate:
                    await asyncio.sleep(len(piece) / rate)

    def _pieces(self, direction, data):
        while data:
            faults = self.gate.faults[direction]
            length = len(data)
            if faults.rate:
                length = min(length, max(1, int(faults.rate / 20)))
            if faults.slices:
                length = min(length, self.gate.random.randint(1, faults.slices))
            cut_at = self.cut_at[direction]
            if cut_at is not None and cut_at > self.forwarded[direction]:
                length = min(length, cut_at - self.forwarded[direction])
            yield data[:length]
            data = data[length:]


class Gate:
    """new_filter(link, direction) may return a function from bytes to as many bytes, called with
    all that passes in order, or None."""

    def __init__(self, target, seed=0, new_filter=None):
        self.target = target
        self.random = random.Random(seed)
        self.new_filter = new_filter
        self.faults = {d: Faults() for d in DIRECTIONS}
        self.newcomers = FORWARD
        self.links = []  # open ones, oldest first
        self.accepted = 0
        self.counts = {}
        self.cut_how = RST
        self._corrupt = {"up": 0, "down": 0}
        self._cut_next = None  # (direction, bytes, how) for the next connection
        self._held = []  # connections in the black hole
        self._tasks = set()  # of the links: the loop itself holds them weakly
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        self._thread.start()

    # ---- verbs, from any thread ----
    def set(self, direction, **faults):
        for each in DIRECTIONS if direction == "both" else (direction,):
            self.faults[each] = dataclasses.replace(self.faults[each], **faults)

    def clear(self):
        """A good network. What is in the black hole is closed."""
        self.faults = {d: Faults() for d in DIRECTIONS}
        self.newcomers = FORWARD
        self._corrupt = {"up": 0, "down": 0}
        self._cut_next = None
        self._call(self._empty_black_hole)

    def cut_all(self, how=RST):
        self._call(lambda: [self._cut(link, how) for link in list(self.links)])

    def cut_one(self, how=RST):
        """A random link. False: there is none."""
        return self._call(lambda: bool(self.links) and
                          self._cut(self.random.choice(self.links), how))

    def cut_next(self, direction, after, how=RST):
        """The next connection is cut when `after` bytes have passed in `direction`."""
        self._cut_next = (direction, after, how)

    def cut_within(self, direction, after, how=RST):
        """A random link is cut when `after` more bytes have passed. False: there is none."""
        def arm():
            if not self.links:
                return False
            link = self.random.choice(self.links)
            link.cut_at[direction] = link.forwarded[direction] + after
            self.cut_how = how
            return True

        return self._call(arm)

    def corrupt_next(self, direction):
        """One byte of what passes next, at a random place."""
        self._corrupt[direction] += 1

    def close(self):
        async def end():
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(end(), self._loop)
        self._thread.join()
        self._empty_black_hole()
        self._listener.close()

    # ---- on the gate's thread ----
    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def take_corruption(self, direction, data):
        if not self._corrupt[direction]:
            return data
        self._corrupt[direction] -= 1
        self.count("corrupted")
        changed = bytearray(data)
        changed[self.random.randrange(len(changed))] ^= 1 << self.random.randrange(8)
        return bytes(changed)

    def _cut(self, link, how):
        self.count("cut")
        link.cut(how)
        return True

    def _empty_black_hole(self):
        for connection in self._held:
            connection.close()
        self._held.clear()

    def _call(self, function):
        """Runs it on the gate's thread; returns what it returned."""
        async def run():
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        accepting = self._loop.create_task(self._accept())
        self._loop.run_forever()
        del accepting
        self._loop.close()

    async def _accept(self):
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            client.setblocking(False)
            self.accepted += 1
            if self.newcomers == BLACK_HOLE:
                self.count("black hole")
                self._held.append(client)
            elif self.newcomers == REFUSE:
                client.close()
            else:
                task = self._loop.create_task(self._connect(client))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _connect(self, client):
        server = socket.socket()
        server.setblocking(False)
        try:
            await self._loop.sock_connect(server, self.target)
        except OSError:
            server.close()
            client.close()  # nobody listens behind the gate
            return
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(self, self.accepted, client, server)
        if self._cut_next:
            direction, link_bytes, self.cut_how = self._cut_next
            self._cut_next = None
            link.cut_at[direction] = link_bytes
            if link_bytes == 0:
                link.cut(self.cut_how)
        self.links.append(link)
        try:
            await link.run()
        finally:
            self.links.remove(link)
            if link.open:
                link._end()
