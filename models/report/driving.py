"""Does the pilot do what the driver did? Agreement of steering and throttle over the frames that have both."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.report.result import Driving
from models.report.statistics import Bootstrap
from wire import Drive

LEAST_STEERING = 0.1
"""A driver that steers by more means it: the side counts."""
_FEWEST = 8

Values = NDArray[np.float64]


def compare(
    drives: Sequence[Drive], drivers: Sequence[Drive | None], who: str, seed: int, *, throttle: bool
) -> Driving | None:
    """The pilot's words against the driver's, frame by frame; None where fewer than eight frames have a driver.

    throttle: whether the pilot has one.
    """
    pairs = [(_pair(drive), _pair(driver)) for drive, driver in zip(drives, drivers, strict=True) if driver is not None]
    if len(pairs) < _FEWEST:
        return None
    pilot, driver = (np.array(side, np.float64) for side in zip(*pairs, strict=True))  # (frames, 2) each
    resample = Bootstrap(len(pairs), seed)
    error = np.abs(pilot - driver)
    turning = np.abs(driver[:, 0]) > LEAST_STEERING
    return Driving(
        frames=len(pairs),
        driver=who,
        steering_r=resample.correlation(pilot[:, 0], driver[:, 0]),
        steering_error=resample.mean(error[:, 0]),
        steering_spread=float(driver[:, 0].std()),
        same_side=resample.ratio(1.0 * (turning & (pilot[:, 0] * driver[:, 0] > 0)), 1.0 * turning),
        throttle_r=resample.correlation(pilot[:, 1], driver[:, 1]) if throttle else None,
        throttle_error=resample.mean(error[:, 1]) if throttle else None,
        points=[(float(x), float(y)) for x, y in zip(driver[:, 0], pilot[:, 0], strict=True)],
    )


def _pair(drive: Drive) -> tuple[float, float]:
    return drive.steering, drive.throttle
