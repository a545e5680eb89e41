"""What a report is about: one pilot, one of its outputs, and the frames made ready for the network once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.deletion import Floats, blurred
from edge.methods import Methods
from edge.pilot import Past, Pilot
from models.report.frames import Sample
from models.report.zones import REST, Mask, Polygon, cut, drawn, partition


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sample as the network sees it: image and background float32 (H, W, C), and the output it gives."""

    sample: Sample
    image: Floats
    background: Floats
    value: float
    zones: dict[str, Mask]
    """bool (H, W), without overlap; what the network does not see is in none."""
    lane: Mask | None


class Subject:
    """A pilot and the output to explain. Not for several threads at once.

    Each frame stands alone: what the pilot remembers of others is forgotten before it.
    """

    def __init__(self, pilot: Pilot, target: str = "steering") -> None:
        self.pilot = pilot
        self.target = target
        self.methods = Methods(pilot)
        self._begun: Sample | None = None
        self._black, white = (self._shown(np.full((*pilot.input_size, 3), level, np.uint8)) for level in (0, 255))
        self._reach = (white - self._black).mean(axis=2)

    def prepare(self, sample: Sample, polygons: Mapping[str, Polygon] | None = None) -> Prepared:
        """`polygons` are the user's zones; without them the sample's own, or a plain cut."""
        shape = sample.rgb.shape[:2]
        zones = drawn(polygons, shape) if polygons else sample.zones or cut(shape)
        whole = self.seen(np.ones(shape, np.bool_))
        seen = partition({name: self.seen(mask) for name, mask in zones.items()}, whole)
        if not seen[REST].any() and not sample.zones:
            del seen[REST]
        lane = None if sample.lane is None else self.seen(sample.lane)
        image = self._shown(sample.rgb)
        return Prepared(sample, image, blurred(image), self.value(sample, image), seen, lane)

    def outputs(self, sample: Sample) -> dict[str, Floats]:
        """A run on the sample's own frame: what methods explain, and what it drives."""
        self.pilot.past = Past()
        self._begun = sample
        return self.pilot.infer(sample.rgb, sample.extras)

    def value(self, sample: Sample, image: Floats) -> float:
        """The output for an image (H, W, C) in place of the sample's own; 0 where it is no finite number.

        Where a chosen bin is explained, it is the one chosen on the sample's own.
        """
        if self._begun is not sample:
            self.outputs(sample)
        return self.pilot.value(self.target, self.pilot.run(image, sample.extras))

    def explain(self, sample: Sample, method: str) -> tuple[Floats, float]:
        """The method's map, float32 (H, W), a copy; and the seconds it took after the run. Raises MethodError."""
        self.outputs(sample)
        started = time.perf_counter()
        raw = self.methods(method, self.target)
        return raw.values.copy(), time.perf_counter() - started

    def seen(self, mask: Mask) -> Mask:
        """A mask of the camera's frame as the network sees it: cropped, masked and resized like any picture.

        A pixel counts that is more than half the mask's; one the network is never shown does not.
        """
        painted = self._shown(np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2))
        part = (painted - self._black).mean(axis=2)
        inside: Mask = (np.abs(part) * 2 > np.abs(self._reach)) & (self._reach != 0)
        return inside

    def _shown(self, rgb: NDArray[np.uint8]) -> Floats:
        """What the network is fed for a frame that nothing came before."""
        self.pilot.past = Past()
        self._begun = None
        return self.pilot.prepare(rgb)
