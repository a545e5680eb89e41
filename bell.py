"""A bell that other threads ring to wake a thread out of its ZeroMQ poll."""

import contextlib
import threading

import zmq


class Bell:
    """Poll `socket` along with the sockets of the wire; `hush` when it is ready."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self.socket = context.socket(zmq.PAIR)
        self._rope = context.socket(zmq.PAIR)
        self._ringing = threading.Lock()
        address = f"inproc://bell-{id(self)}"
        self.socket.bind(address)
        self._rope.connect(address)

    def ring(self) -> None:
        """Wake whoever polls; for any thread."""
        with self._ringing, contextlib.suppress(zmq.Again):
            self._rope.send(b"", zmq.NOBLOCK)

    def hush(self) -> None:
        """Forget all rings so far; for the thread that polls."""
        with contextlib.suppress(zmq.Again):
            while True:
                self.socket.recv(zmq.NOBLOCK)

    def close(self) -> None:
        """For when nobody rings any more."""
        self.socket.close(linger=0)
        self._rope.close(linger=0)
