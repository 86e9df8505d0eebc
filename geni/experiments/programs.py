"""Programs of ours as services: logged, waited for, and started again when they end, as systemd does."""
import pathlib
import signal
import subprocess
import threading
import time

from network import die_with_parent

END_S = 30
RESTART_S = 0.1  # systemd's default RestartSec


class Service:
    """A program that is started again RESTART_S after it ended, until stop(). It has a thread of its
    own, which is the parent of the program's processes. Thread-safe."""

    def __init__(self, command, log, restart=True):
        self.command, self.log = [str(c) for c in command], pathlib.Path(log)
        self._restart = restart
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process = None
        self._restarts = 0
        self._error = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._begun.wait(END_S)
        if self._error:
            raise RuntimeError(self._error)

    @property
    def restarts(self):
        with self._lock:
            return self._restarts

    def alive(self):
        """Whether it runs, or is about to run again."""
        return self._thread.is_alive()

    def ask_to_stop(self):
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def stop(self):
        """Lets it end in good order; kills it where it does not."""
        self.ask_to_stop()
        self._thread.join(END_S)
        if self._thread.is_alive():
            self._signal(signal.SIGKILL)
            self._thread.join()

    def tail(self, lines=5):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number):
        with self._lock:
            if self._process and self._process.poll() is None:
                self._process.send_signal(number)

    def _run(self):
        try:
            while True:
                with open(self.log, "ab") as log, self._lock:
                    if self._stopping.is_set():
                        return
                    self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                                     stderr=log, preexec_fn=die_with_parent)
                self._begun.set()
                self._process.wait()
                if not self._restart or self._stopping.wait(RESTART_S):
                    return
                with self._lock:
                    self._restarts += 1
        except OSError as error:
            self._error = f"{self.command[0]} cannot be run: {error}"
        finally:
            self._begun.set()


def stop_all(services):
    """All at the same time."""
    for service in services:
        service.ask_to_stop()
    for service in services:
        service.stop()


def wait_until(condition, what, timeout_s, step_s=0.02):
    """The first true result of condition(); raises TimeoutError with `what()`."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout_s:g} s in vain for {what()}")
        time.sleep(step_s)
    return result
