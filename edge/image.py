"""From a camera frame to what a pilot is fed: the card's image table at work.

rgb ─▶ crop ─▶ resize ─▶ black, trapeze ─▶ colour ─▶ (the frames before it) ─▶ range ─▶ quantize?
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.card import Edges, ImageCard
from edge.tflite import Floats, Quantization, Tensor

Picture = NDArray[np.uint8]

UNSCALED = Quantization(np.ones(1, np.float32), np.zeros(1, np.int64), 0)
"""Integers that stand for themselves."""


class Eye:
    """Prepares frames for one image input. Not for several threads at once."""

    def __init__(self, tensor: Tensor, card: ImageCard) -> None:
        """The card says everything (see describe.image); the tensor is (1, H, W, C) or (1, T, H, W, C)."""
        assert card.frames is not None
        assert card.range is not None
        *_, height, width, channels = tensor.shape
        self.size: tuple[int, int] = (height, width)
        self.frames = card.frames
        self.channels = channels if len(tensor.shape) == 5 else channels // self.frames
        """Of one frame."""
        self._card = card
        self._tensor = tensor
        self._in_time = len(tensor.shape) == 5
        self._ring: deque[Picture] = deque(maxlen=(self.frames - 1) * card.stride + 1)
        low, high = (np.float32(level) for level in card.range)
        self._low, self._step = low, np.float32(255) / (high - low)
        self._dtype = np.dtype({"INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16}.get(tensor.type, np.float32))
        self._table = self._stored(_over(np.arange(256, dtype=np.uint8), self._step, low))
        self._levels = tensor.real(self._table)
        self._light = _light(card, self.size)
        self._resized, self._masked = (np.empty((height, width, 3), np.uint8) for _ in range(2))
        self._coloured = np.empty((height, width, 3), np.uint8)
        self._grey = np.empty((height, width), np.uint8)

    def see(self, rgb: Picture, out: NDArray[Any]) -> None:
        """Write what the network is fed for this frame into `out`, of the tensor's shape, and keep the frame."""
        picture = self._picture(rgb)
        if self.frames > 1:
            self._ring.append(picture.copy())
            picture = self._together(self._ring)
        self._write(picture, out)

    def prepare(self, rgb: Picture) -> Floats:
        """float32 (H, W, C): what the network is fed in real numbers, if this frame were the newest one.

        C counts all stacked frames; of a sequence (T, H, W, C) it is the newest frame alone.
        """
        picture = self._picture(rgb)
        if self.frames > 1 and not self._in_time:
            picture = self._together([*list(self._ring)[:-1], picture])
        if self._dtype != np.float32:
            looked_up: Floats = self._levels[picture]
            return looked_up
        return _over(picture, self._step, self._low)

    def fed(self, held: NDArray[Any]) -> Floats:
        """What `held`, of the tensor's shape, has been given: as `prepare` would make it, the caller's own."""
        image = held[0, -1] if self._in_time else held[0]
        real = self._tensor.real(image)
        return real.copy() if real is image else real

    def take(self, prepared: Floats, out: NDArray[Any]) -> None:
        """Write a prepared image into `out`, after the frames that were seen before the newest one."""
        stored = self._stored(prepared)
        if self._in_time and self._ring:
            self._write(self._together(self._ring), out)
            out[0, -1] = stored
        else:
            out[0] = stored

    @property
    def seen(self) -> tuple[Picture, ...]:
        """The frames that count with the next one. Setting it puts them in place of those that were seen."""
        return tuple(self._ring)

    @seen.setter
    def seen(self, pictures: Iterable[Picture]) -> None:
        self._ring.clear()
        self._ring.extend(pictures)

    def onto_frame(self, values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
        """A map (h, w) of the network's input put where the crop lies in a frame of `size`; itself without a crop."""
        if not any(self._card.crop):
            return values
        rows, columns = _cut(self._card.crop, size)
        frame = np.zeros(size, values.dtype)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        frame[rows, columns] = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
        return frame

    def _picture(self, rgb: Picture) -> Picture:
        """One frame as the network knows them: uint8 (H, W, c); may be `rgb` itself or memory that is used again."""
        if any(self._card.crop):
            rgb = rgb[_cut(self._card.crop, rgb.shape[:2])]
        if rgb.shape[:2] != self.size:
            height, width = self.size
            shrinks = rgb.shape[0] > height or rgb.shape[1] > width
            way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            rgb = cv2.resize(rgb, (width, height), dst=self._resized, interpolation=way)
        if self._light is not None:
            rgb = np.multiply(rgb, self._light, out=self._masked)
        return self._in_colour(rgb)

    def _in_colour(self, rgb: Picture) -> Picture:
        if self._card.colour == "bgr":
            rgb = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR, dst=self._coloured)
        elif self._card.colour == "grey":
            grey: Picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY, dst=self._grey)
            rgb = grey[..., np.newaxis] if self.channels == 1 else cv2.merge([grey] * 3, self._coloured)
        return rgb

    def _together(self, ring: Sequence[Picture]) -> Picture:
        """The frames that count: (H, W, n·c), or (T, H, W, c). Before there are enough, the first one is repeated."""
        last = len(ring) - 1
        chosen = [ring[max(last - age * self._card.stride, 0)] for age in range(self.frames)]
        if self._card.order == "oldest-first":
            chosen.reverse()
        return np.stack(chosen) if self._in_time else np.concatenate(chosen, axis=2)

    def _write(self, picture: Picture, out: NDArray[Any]) -> None:
        if self._dtype == np.float32:
            _over(picture, self._step, self._low, out.reshape(picture.shape))
        else:
            out[...] = cv2.LUT(picture.reshape(1, -1), self._table).reshape(out.shape)

    def _stored(self, real: Floats) -> NDArray[Any]:
        """As the tensor holds them."""
        if self._dtype == np.float32:
            return real
        return (self._tensor.quantization or UNSCALED).stored(real, self._dtype)


def _over(picture: Picture, step: np.float32, low: np.float32, out: Floats | None = None) -> Floats:
    """picture / step + low"""
    real: Floats = np.divide(picture, step, out=out)
    return np.add(real, low, out=real) if low else real


def _cut(crop: Edges, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns that a crop leaves of a frame: at least one each."""
    top, bottom, left, right = crop
    return _between(top, bottom, size[0]), _between(left, right, size[1])


def _between(before: float, behind: float, length: int) -> slice:
    first = min(round(before * length), length - 1)
    return slice(first, max(length - round(behind * length), first + 1))


def _light(card: ImageCard, size: tuple[int, int]) -> Picture | None:
    """What is not painted black, as ones: uint8 (H, W, 1). Edges belong to it, as in Donkeycar's masks."""
    if not any(card.black) and card.trapeze is None:
        return None
    height, width = size
    top, bottom, left, right = card.black
    light = _polygon((left, 1 - right, left, 1 - right, top, 1 - bottom), height, width)
    if card.trapeze:
        light &= _polygon(card.trapeze, height, width)
    return light[..., np.newaxis]


def _polygon(trapeze: tuple[float, float, float, float, float, float], height: int, width: int) -> Picture:
    upper_left, upper_right, lower_left, lower_right, top, bottom = trapeze
    corners = [(upper_left, top), (upper_right, top), (lower_right, bottom), (lower_left, bottom)]
    points = np.array([(round(x * width), round(y * height)) for x, y in corners], np.int32)
    filled: Picture = cv2.fillConvexPoly(np.zeros((height, width), np.uint8), points, 1)
    return filled
