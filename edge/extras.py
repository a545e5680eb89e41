"""What a pilot is fed besides the image: its own last words, an IMU, the behaviour it is to show.

    kind        values                                       when nothing is known
    memory      steering, throttle of the last frames,       0
                oldest first, as the pilot said them
    imu         acceleration x, y, z, gyroscope x, y, z      0
    behaviour   one-hot state                                the first state
    numbers     always these

Whoever runs the pilot may hand in values under the input's name or its kind; they count before all others.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.card import Kind
from edge.image import UNSCALED
from edge.tflite import Floats, PilotError, Tensor
from wire import Drive

log = logging.getLogger(__name__)

MAX_VALUES = 256
DTYPES: Mapping[str, type[Any]] = {
    "FLOAT32": np.float32, "INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
}  # fmt: skip

_WORDS: Mapping[Kind, tuple[str, ...]] = {
    "memory": ("mem",),
    "imu": ("imu", "acl", "gyr"),
    "behaviour": ("behav", "bhv", "bvh", "state"),
}


@dataclass(frozen=True, slots=True)
class Extra:
    """An input that is no image. Where it has neither a kind nor numbers nobody knows what it is."""

    name: str
    tensor: Tensor
    kind: Kind | None = None
    numbers: Floats | None = None
    """What it is always fed."""

    @property
    def size(self) -> int:
        return prod(self.tensor.shape)


def extra(name: str, tensor: Tensor, said: Kind | Sequence[float] | None) -> Extra:
    """What an input is, as the card says or else by its name. Raises PilotError where it cannot be fed."""
    size = prod(tensor.shape)
    if tensor.type not in DTYPES or not 0 < size <= MAX_VALUES:
        shape = "x".join(map(str, tensor.shape))
        raise PilotError(
            f"needs more than one camera image: its input {name!r} ({shape}, {tensor.type}) cannot be fed; only inputs "
            f"of at most {MAX_VALUES} numbers can"
        )
    if said is None or isinstance(said, str):
        return Extra(name, tensor, kind=said or _by_name(name))
    if len(said) != size:
        raise PilotError(f"has an input {name!r} of {size} numbers, for which its card gives {len(said)}")
    return Extra(name, tensor, numbers=np.array(said, np.float32))


def _by_name(name: str) -> Kind | None:
    return next((kind for kind, words in _WORDS.items() if any(word in name.lower() for word in words)), None)


class Feeder:
    """Finds the values for one pilot's extra inputs, and remembers what it said. Not for several threads at once."""

    def __init__(self, extras: Sequence[Extra], *, pilot: str, throttles: bool) -> None:
        """throttles: the pilot says a throttle too, which its memory then holds."""
        self.extras = extras
        self._pilot = pilot
        self._pairs = throttles
        self._longest = max((it.size for it in extras if it.kind == "memory"), default=0)
        self._said: tuple[Drive, ...] = ()
        self._warned: set[str] = set()
        self.said: tuple[Drive, ...] = ()
        """The pilot's words, the newest last, as far as the next frame needs them."""

    def next_frame(self) -> None:
        """What was said until now is memory from here on."""
        self._said = self.said

    def say(self, drive: Drive) -> None:
        """The pilot's word on a frame; it becomes memory with the next frame."""
        if self._longest:
            self.said = (*self._said, drive)[-self._longest :]

    def values(self, given: Mapping[str, Floats]) -> list[Floats]:
        """Flat real values for each of `extras`, in their order."""
        return [self._given(it, given) for it in self.extras]

    def _given(self, it: Extra, given: Mapping[str, Floats]) -> Floats:
        found = [np.asarray(given[name], np.float32).ravel() for name in (it.name, it.kind or "") if name in given]
        usable = next((values for values in found if values.size == it.size), it.numbers)
        if usable is not None:
            return usable
        return self._memory(it.size) if it.kind == "memory" else self._neutral(it, found)

    def _memory(self, size: int) -> Floats:
        pairs = self._pairs and size % 2 == 0
        said = [word for it in self._said for word in ((it.steering, it.throttle) if pairs else (it.steering,))]
        return np.array([*[0.0] * size, *said][-size:], np.float32)

    def _neutral(self, it: Extra, found: Sequence[Floats]) -> Floats:
        values = np.zeros(it.size, np.float32)
        if it.kind == "behaviour":
            values[0] = 1
        if it.name not in self._warned:
            self._warned.add(it.name)
            log.warning(
                "pilot %s wants %d values of %s for its input %r, the source has %s: it is fed %s. "
                "A card can say what the input is: python -m models card --help",
                self._pilot,
                it.size,
                it.kind or "an unknown kind",
                it.name,
                found[0].size if found else "none",
                "the first state" if it.kind == "behaviour" else "zeros",
            )
        return values


def store(it: Extra, values: Floats) -> NDArray[Any]:
    """Real values as the input's tensor holds them, in its shape."""
    dtype = np.dtype(DTYPES[it.tensor.type])
    if dtype == np.float32:
        return values.reshape(it.tensor.shape)
    return (it.tensor.quantization or UNSCALED).stored(values, dtype).reshape(it.tensor.shape)
