"""Maps of one convolution, laid back on the image by the exact geometry of the layers before it.

    Grad-CAM   Σ over channels of  activation · (gradient averaged over all places)       signed, not rectified
    HiResCAM   Σ over channels of  activation · gradient, place by place

Where only one linear layer follows the last convolution, the cells of HiResCAM sum to the word less its bias.
"""

from functools import cached_property

import numpy as np

from edge.geometry import Geometry, leading_to
from edge.mask import RawMask, VisualBackProp
from edge.methods.case import Case, summed
from edge.tflite import Floats


class Cams:
    """The class activation maps of one pilot."""

    def __init__(self, geometry: Geometry) -> None:
        places = [place for place, step in enumerate(geometry) if step.tapped]
        self._spreads = [Spread(leading_to(geometry, [place])[0]) for place in places]

    def gradcam(self, case: Case) -> RawMask:
        """Selvaraju et al. 2017, arXiv 1610.02391, without the final ReLU, which would hide one direction."""
        taps = case.pilot.gradients(case.target).taps
        return self._laid_back(case, np.broadcast_to(taps[case.tap].mean((0, 1)), taps[case.tap].shape))

    def hirescam(self, case: Case) -> RawMask:
        """Draelos and Carin 2020, arXiv 2011.08891."""
        return self._laid_back(case, case.pilot.gradients(case.target).taps[case.tap])

    def _laid_back(self, case: Case, weights: Floats) -> RawMask:
        cells = summed(weights, case.pilot.activations()[case.tap])
        return RawMask(self._spreads[case.tap](cells), signed=True)


class Spread:
    """Spreads the cells of a geometry's last step over the pixels they see, signs kept."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry

    def __call__(self, cells: Floats) -> Floats:
        """cells: float32 (h, w). Returns a new float32 (H, W); linear in the cells."""
        up, down = (self._up(np.maximum(cells * sign, 0)) for sign in (1, -1))
        return up - down

    def _up(self, cells: Floats) -> Floats:
        mask = self._back([*self._ones, cells])
        return np.ldexp(mask.values, mask.exponent)

    @cached_property
    def _back(self) -> VisualBackProp:
        return VisualBackProp(self._geometry)

    @cached_property
    def _ones(self) -> list[Floats]:
        return [np.ones(step.out_size, np.float32) for step in self._geometry[:-1] if step.tapped]
