"""picamera2 on libcamera's virtual pipeline.

What a Raspberry Pi has and that pipeline has not: memory from a DMA heap (here: memfd), raw sensor modes, and a pace
(its frames are done as soon as they are asked for).
"""

import mmap
import os
import time
from typing import Any

import libcamera
from picamera2 import Picamera2
from picamera2.allocators.allocator import Allocator, Sync


class MemfdSync(Sync):  # type: ignore[misc]
    """Access to a buffer that is mapped already, and stays so."""

    def __init__(self, allocator: "MemfdAllocator", buffer: Any, write: bool) -> None:
        super().__init__(allocator, buffer, write)
        self._memory = allocator.memory[buffer]

    def __enter__(self) -> mmap.mmap:
        return self._memory

    def __exit__(self, *_error: object) -> None:
        pass


class MemfdAllocator(Allocator):  # type: ignore[misc]
    """NV12 buffers in anonymous files: luma, and chroma behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.sync = MemfdSync
        self.memory: dict[Any, mmap.mmap] = {}
        self._buffers: dict[Any, list[Any]] = {}

    def allocate(self, configuration: Any, _use_case: str | None = None) -> None:
        self.memory.clear()
        self._buffers = {config.stream: self._make(config) for config in configuration}

    def buffers(self, stream: Any) -> list[Any]:
        return self._buffers[stream]

    def _make(self, config: Any) -> list[Any]:
        return [self._make_one(config) for _ in range(config.buffer_count)]

    def _make_one(self, config: Any) -> Any:
        luma_bytes = config.stride * config.size.height
        file = os.memfd_create("frame")
        os.ftruncate(file, config.frame_size)
        buffer = libcamera.FrameBuffer([_plane(file, 0, luma_bytes), _plane(file, luma_bytes, luma_bytes // 2)])
        self.memory[buffer] = mmap.mmap(file, config.frame_size)
        os.close(file)  # buffer and mapping hold it open
        return buffer


def _plane(file: int, offset: int, length: int) -> Any:
    plane = libcamera.FrameBuffer.Plane()
    plane.fd, plane.offset, plane.length = file, offset, length
    return plane


class VirtualPicamera2(Picamera2):  # type: ignore[misc]
    """The real thing, with a pace. It notes its sensor's times, and falls silent after `frames` frames."""

    rate_hz = 30.0
    _requests: list[Any]

    def __init__(self, number: int, stamps_ns: list[int], frames: int | None = None) -> None:
        self._stamps_ns = stamps_ns
        self._frames = frames
        self._due_s = 0.0
        self._kept_back: list[Any] = []
        super().__init__(number, allocator=MemfdAllocator())

    def _get_raw_modes(self) -> list[dict[str, object]]:
        return [{"format": "NV12", "size": (640, 480)}]

    def process_requests(self, display: Any) -> None:
        while not self.started and self._event_loop_running:
            time.sleep(0.001)
        self._keep_pace()
        with self._requestslock:
            self._stamps_ns += [request.get_metadata()["SensorTimestamp"] for request in self._requests]
            if self._frames is not None and self.frames >= self._frames:
                self._kept_back += self._requests
                self._requests = []
        super().process_requests(display)

    def _keep_pace(self) -> None:
        now_s = time.monotonic()
        time.sleep(max(0.0, self._due_s - now_s))
        self._due_s = max(self._due_s, now_s) + 1 / self.rate_hz
