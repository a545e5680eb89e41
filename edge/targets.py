"""What of a pilot's word can be explained: numbers that its outputs give and that can be differentiated.

target           linear pilot        categorical pilot, p the share of each bin in the sum of all
steering         the number itself   the angle to be expected, Σ p · angle (it drives by the likeliest)
throttle         likewise            likewise
steering-bin                         log p of the bin it chose
throttle-bin                         likewise
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.controls import Control, Controls

Floats = NDArray[np.float32]

_TINY, _HUGE = (float(getattr(np.finfo(np.float32), name)) for name in ("tiny", "max"))


@dataclass(frozen=True, slots=True)
class Target:
    """One number to explain. `chosen` is the bin whose log p is meant, wherever a bin is asked for."""

    control: Control
    bin: bool = False
    """Explain the bin that was chosen, not the number."""
    logits: bool = False
    """The scores are not probabilities yet: the softmax is left to us."""

    def value(self, outputs: Mapping[str, Floats], chosen: int | None = None) -> float:
        """The number; 0 where the pilot says something that is not finite."""
        values = outputs[self.control.output].astype(np.float64)
        if not np.isfinite(values).all():
            return 0.0
        if self.control.place is not None:
            return float(values[self.control.place])
        shares, _ = self._shares(values)
        if self.bin:
            return float(np.log(max(shares[self._chosen(values, chosen)], _TINY)))
        return float(shares @ self._levels(values))

    def seed(self, outputs: Mapping[str, Floats], chosen: int | None = None) -> Floats:
        """The derivative of `value` by each value of the output: float32, flat; zeros where that is not finite."""
        values = outputs[self.control.output].astype(np.float64)
        seed = self._derivative(values, chosen) if np.isfinite(values).all() else np.zeros_like(values)
        return np.clip(seed, -_HUGE, _HUGE).astype(np.float32)

    def _derivative(self, values: NDArray[np.float64], chosen: int | None) -> NDArray[np.float64]:
        places = np.arange(values.size)
        if self.control.place is not None:
            return np.where(places == self.control.place, 1.0, 0.0)
        shares, total = self._shares(values)
        by = shares if self.logits else np.full_like(shares, 1 / total)
        if not self.bin:
            levels = self._levels(values)
            return np.multiply(levels - shares @ levels, by)
        place = self._chosen(values, chosen)
        return np.where(places == place, by[place] / max(shares[place], _TINY), 0.0) - by

    def choice(self, outputs: Mapping[str, Floats]) -> int:
        """The bin that the pilot chooses."""
        return int(outputs[self.control.output].argmax())

    def _shares(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Each bin's share, and the sum they are shares of."""
        scores = np.exp(values - values.max()) if self.logits else values
        total = max(float(scores.sum()), _TINY)
        return scores / total, total

    def _levels(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        levels: NDArray[np.float64] = self.control.low + self.control.step * np.arange(values.size, dtype=np.float64)
        return levels

    @staticmethod
    def _chosen(values: NDArray[np.float64], chosen: int | None) -> int:
        return int(values.argmax()) if chosen is None else chosen


def targets(controls: Controls, softmaxed: frozenset[str]) -> dict[str, Target]:
    """All that can be explained; `softmaxed` are the outputs whose values are probabilities."""
    found: dict[str, Target] = {}
    names = (("steering", "steering-bin"), ("throttle", "throttle-bin"))
    for (name, bin_name), control in zip(names, (controls.steering, controls.throttle), strict=True):
        if control:
            logits = control.output not in softmaxed
            found[name] = Target(control, logits=logits)
            if control.place is None:
                found[bin_name] = Target(control, bin=True, logits=logits)
    return found
