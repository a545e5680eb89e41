"""Which output steers and which drives, for the outputs that pilots have."""

from collections.abc import Mapping

import numpy as np
import pytest

from edge.controls import assign
from wire import Drive


def bins(count: int, highest: int) -> list[float]:
    return [1.0 if place == highest else 0.1 for place in range(count)]


@pytest.mark.parametrize(
    ("outputs", "drive"),
    [
        ({"n_outputs0": [0.25], "n_outputs1": [0.5]}, Drive(0.25, 0.5)),
        ({"n_outputs1": [0.5], "n_outputs0": [0.25]}, Drive(0.25, 0.5)),
        ({"Identity": [0.25], "Identity_1": [0.5]}, Drive(0.25, 0.5)),
        ({"throttle": [0.5], "steering": [0.25]}, Drive(0.25, 0.5)),
        ({"speed_or_so": [0.5], "user/angle": [0.25]}, Drive(0.25, 0.5)),
        ({"Throttle_out": [0.5], "x": [0.25]}, Drive(0.25, 0.5)),
        ({"angle_out": bins(15, 0), "throttle_out": bins(20, 0)}, Drive(-1, 0)),
        ({"throttle_out": bins(20, 19), "angle_out": bins(15, 14)}, Drive(1, 0.95)),
        ({"b": bins(20, 10), "a": bins(15, 7)}, Drive(0, 0.5)),
        ({"b": [0.5], "a": bins(15, 7)}, Drive(0, 0.5)),
        ({"a": bins(15, 7), "b": [0.5]}, Drive(0, 0.5)),
        ({"angle": [0.25], "throttle": [0.5], "location": bins(9, 3)}, Drive(0.25, 0.5)),
        ({"outputs": [0.25, 0.5]}, Drive(0.25, 0.5)),
        ({"n_outputs0": [0.25]}, Drive(0.25, 0)),
        ({"angle_out": bins(15, 14)}, Drive(1, 0)),
        ({"n_outputs0": [1.75], "n_outputs1": [-3.0]}, Drive(1.75, -3)),
        ({"n_outputs0": [np.nan], "n_outputs1": [0.5]}, Drive(0, 0.5)),
        ({"n_outputs0": [0.25], "n_outputs1": [np.inf]}, Drive(0.25, 0)),
        ({"angle_out": [np.nan, *bins(14, 13)], "throttle_out": bins(20, 10)}, Drive(0, 0.5)),
    ],
)
def test_steering_and_throttle_are_found_by_name_then_size_then_order(
    outputs: Mapping[str, list[float]], drive: Drive
) -> None:
    controls = assign({name: len(values) for name, values in outputs.items()})
    read = controls.read({name: np.array(values, np.float32) for name, values in outputs.items()})
    assert (read.steering, read.throttle) == pytest.approx((drive.steering, drive.throttle))
