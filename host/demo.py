"""`make demo`: a simulated car and the pit wall, two real processes on this machine, until Ctrl-C."""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Sequence

PATIENCE_S = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run both until a signal comes (0) or one of them ends by itself (1)."""
    parser = argparse.ArgumentParser(prog="python -m host.demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=8080, help="the viewer's port; the next free one if it is taken")
    options, edge_options = parser.parse_known_args(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    car, page = f"tcp://127.0.0.1:{free_port(0)}", f"127.0.0.1:{free_port(options.port)}"
    with child("edge", "--name", "demo", "--size", "320x240", "--bind", car, *edge_options) as edge:
        with child("host", "--car", f"demo={car}", "--http", page) as host:
            threading.Thread(target=announce, args=(f"http://{page}", stop), daemon=True).start()
            while not stop.wait(0.2):
                if edge.poll() is not None or host.poll() is not None:
                    return 1
    print("\nStopped.")
    return 0


def free_port(wanted: int) -> int:
    """The first port from `wanted` on that nobody listens at; any at all for 0."""
    for port in range(wanted, wanted + 50 if wanted else 1):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise SystemExit(f"demo: no free port from {wanted} to {wanted + 49}; name another one with --port.")


@contextlib.contextmanager
def child(package: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of our processes, ended at the end of the block if it did not end before; Ctrl-C is for us to see."""
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process = subprocess.Popen([sys.executable, "-m", package, *options])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                process.kill()


def announce(url: str, stop: threading.Event) -> None:
    """Print the address once the first frame is there, and open it where there is a screen."""
    for _ in range(int(PATIENCE_S / 0.2)):
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/healthz", timeout=2):  # noqa: S310
            print(f"\n  The car is driving. Watch it at  {url}\n  Ctrl-C stops.\n", flush=True)
            if sys.stdout.isatty() and (
                sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
            ):
                webbrowser.open(url)
            return
        if stop.wait(0.2):
            return
    print(f"demo: no frame after {PATIENCE_S:g} s; see what is said above.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
