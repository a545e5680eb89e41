"""Which output steers and which drives, for the outputs that pilots have."""

from collections.abc import Mapping

import numpy as np
import pytest

from edge.card import OutputCard
from edge.controls import assign
from edge.tflite import PilotError
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
        ({"throttle_out": bins(20, 19), "angle_out": bins(15, 14)}, Drive(1, 0.76)),
        ({"b": bins(20, 10), "a": bins(15, 7)}, Drive(0, 0.4)),
        ({"b": [0.5], "a": bins(15, 7)}, Drive(0, 0.5)),
        ({"a": bins(15, 7), "b": [0.5]}, Drive(0, 0.5)),
        ({"angle": [0.25], "throttle": [0.5], "location": bins(9, 3)}, Drive(0.25, 0.5)),
        ({"outputs": [0.25, 0.5]}, Drive(0.25, 0.5)),
        ({"model_outputs": [0.25, 0.5], "zloc": bins(8, 3)}, Drive(0.25, 0.5)),
        ({"out_1": [0.5], "out_0": [0.25]}, Drive(0.25, 0.5)),
        ({"zloc": bins(8, 3), "a": [0.25], "b": [0.5]}, Drive(0.25, 0.5)),
        ({"x": bins(8, 3), "a": [0.25], "b": [0.5]}, Drive(0.25, 0.5)),
        ({"zloc": bins(8, 3), "n_outputs0": [0.25]}, Drive(0.25, 0)),
        ({"n_outputs0": [0.25]}, Drive(0.25, 0)),
        ({"angle_out": bins(15, 14)}, Drive(1, 0)),
        ({"n_outputs0": [1.75], "n_outputs1": [-3.0]}, Drive(1.75, -3)),
        ({"n_outputs0": [np.nan], "n_outputs1": [0.5]}, Drive(0, 0.5)),
        ({"n_outputs0": [0.25], "n_outputs1": [np.inf]}, Drive(0.25, 0)),
        ({"angle_out": [np.nan, *bins(14, 13)], "throttle_out": bins(20, 10)}, Drive(0, 0.4)),
    ],
)
def test_steering_and_throttle_are_found_by_name_then_size_then_order(
    outputs: Mapping[str, list[float]], drive: Drive
) -> None:
    controls = assign({name: len(values) for name, values in outputs.items()})
    read = controls.read({name: np.array(values, np.float32) for name, values in outputs.items()})
    assert (read.steering, read.throttle) == pytest.approx((drive.steering, drive.throttle))


OUTPUTS = {"a": [0.1, 0.2, 0.3], "b": bins(5, 4), "angle": [0.4]}


@pytest.mark.parametrize(
    ("card", "drive"),
    [
        (OutputCard(steering="a[1]", throttle="a[2]"), Drive(0.2, 0.3)),
        (OutputCard(steering="b", throttle="angle"), Drive(1, 0.4)),
        (OutputCard(steering="b", throttle="none", angles=(-0.5, 0.5)), Drive(0.5, 0)),
        (OutputCard(throttle="a[0]"), Drive(0.4, 0.1)),
        (OutputCard(throttle="b", full_throttle=0.5), Drive(0.4, 0.4)),
        (OutputCard(throttle="none"), Drive(0.4, 0)),
    ],
)
def test_a_card_names_the_outputs(card: OutputCard, drive: Drive) -> None:
    controls = assign({name: len(values) for name, values in OUTPUTS.items()}, card)
    read = controls.read({name: np.array(values, np.float32) for name, values in OUTPUTS.items()})
    assert (read.steering, read.throttle) == pytest.approx((drive.steering, drive.throttle))


@pytest.mark.parametrize(("steering", "throttle"), [("outputs[0]", 1), ("outputs[1]", 0)])
def test_of_two_values_the_other_one_is_the_throttle(steering: str, throttle: int) -> None:
    controls = assign({"outputs": 2}, OutputCard(steering=steering))
    assert controls.throttle is not None
    assert (controls.steering.place_name, controls.throttle.place) == (steering, throttle)


@pytest.mark.parametrize("name", ["c", "a[3]", "a[-1]", "a[x]", "c[0]", "a[0", "a[99999]"])
def test_a_card_that_names_what_there_is_not_is_refused(name: str) -> None:
    for card in (OutputCard(steering=name), OutputCard(throttle=name)):
        with pytest.raises(PilotError, match=r"has no output .* it has a \(3 values\), b \(5 values\), angle"):
            assign({name: len(values) for name, values in OUTPUTS.items()}, card)


def test_what_a_card_is_told_reads_back_as_it_was() -> None:
    for sizes in ({"x": 2}, {"angle_out": 15, "throttle_out": 20}, {"n_outputs0": 1}, {"zloc": 8, "a": 1, "b": 1}):
        controls = assign(sizes)
        throttle = controls.throttle.place_name if controls.throttle else "none"
        assert assign(sizes, OutputCard(steering=controls.steering.place_name, throttle=throttle)) == controls
