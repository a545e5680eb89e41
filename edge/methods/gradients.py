"""Maps straight from the gradient of one word of the pilot by its image."""

from functools import reduce

import numpy as np

from edge.mask import RawMask
from edge.methods.case import Case, blurred, summed


def gradient(case: Case) -> RawMask:
    """The largest |gradient| among a pixel's channels (Simonyan et al. 2013, arXiv 1312.6034)."""
    size = np.abs(case.pilot.gradients(case.target).image)
    return RawMask(reduce(np.maximum, (size[..., channel] for channel in range(size.shape[2]))))  # quicker than max(-1)


def gradient_input(case: Case) -> RawMask:
    """Gradient × (input - blur), summed over channels: what is lost, to first order, when a pixel becomes its blur."""
    change = case.image - blurred(case.image)
    return RawMask(summed(case.pilot.gradients(case.target).image, change), signed=True)
