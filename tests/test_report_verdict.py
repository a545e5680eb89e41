"""The rules: which figures make a method trusted, and a pilot pass."""

import msgspec
import pytest

from models.report.result import Check, Driving, MethodReport, Randomised, Trust, Zone
from models.report.statistics import Interval
from models.report.verdict import best, checks, judge, passed, summary


def exact(value: float) -> Interval:
    return Interval(value, value, value)


def method(edges: Interval, random: Interval, *, signed: bool = False, kept: float = 0.0) -> MethodReport:
    return MethodReport(
        name="gradient",
        title="Gradient",
        signed=signed,
        change=edges,
        to_edges=edges,
        to_random=random,
        randomised=Randomised([exact(kept)], [exact(abs(kept))]),
    )


SURE, ABOUT_ONE, WORSE = Interval(1.6, 1.4, 1.8), Interval(1.1, 0.9, 1.3), Interval(0.7, 0.6, 0.8)
FIVE = Interval(5, 4, 6)


@pytest.mark.parametrize(
    ("edges", "random", "signed", "kept", "trust", "says"),
    [
        (SURE, FIVE, False, 0.2, "trust", "trust it"),
        (SURE, FIVE, True, 0.2, "trust", "trust it"),
        (SURE, FIVE, True, -0.1, "trust", "trust it"),
        (SURE, FIVE, True, 0.31, "unclear", "survives a random head"),
        (SURE, FIVE, True, -0.31, "unclear", "survives a random head"),
        (SURE, FIVE, False, 0.9, "trust", "not what makes it steer"),
        (ABOUT_ONE, FIVE, False, 0.2, "unclear", "not told apart from an edge map"),
        (WORSE, FIVE, False, 0.2, "distrust", "worse than an edge map, do not trust it"),
        (SURE, Interval(1.2, 1.0, 1.4), False, 0.2, "distrust", "no better than random"),
    ],
)
def test_judging_a_method(
    edges: Interval, random: Interval, signed: bool, kept: float, trust: Trust, says: str
) -> None:
    found, sentence = judge(method(edges, random, signed=signed, kept=kept))
    assert found == trust
    assert says in sentence
    assert f"{edges.value:.2f}× ({edges.low:.2f}–{edges.high:.2f}) what an edge map does" in sentence


def test_a_map_that_insertion_finds_incomplete_says_so() -> None:
    partial = msgspec.structs.replace(method(SURE, FIVE), insertion_to_edges=Interval(1.3, 1.1, 1.5))
    assert judge(partial) == ("trust", judge(partial)[1])
    assert "leaves out part of the reasons" in judge(partial)[1]
    fine = msgspec.structs.replace(partial, insertion_to_edges=Interval(1.1, 0.9, 1.3))
    assert "leaves out" not in judge(fine)[1]


def test_baselines_are_never_trusted() -> None:
    edges = msgspec.structs.replace(method(SURE, FIVE), name="edges")
    assert judge(edges)[0] == "baseline"
    assert judge(msgspec.structs.replace(edges, name="itti"))[0] == "baseline"


def test_a_refusal_is_passed_on() -> None:
    assert judge(MethodReport(name="gradcam", title="", refused="no gradients")) == ("refused", "no gradients")


def test_the_best_is_trusted_and_no_baseline() -> None:
    sure = msgspec.structs.replace(method(SURE, FIVE), trust="trust")
    more = msgspec.structs.replace(method(Interval(2, 0.9, 3), FIVE), trust="unclear", name="hirescam")
    edges = msgspec.structs.replace(method(exact(9), FIVE), name="edges", trust="baseline")
    assert best([edges, more, sure]) is sure
    assert best([edges, more]) is more
    assert best([edges]) is None


def test_the_best_map_for_every_frame_is_named_beside_a_slow_one() -> None:
    live = msgspec.structs.replace(method(SURE, FIVE), trust="trust", verdict="live")
    slow = msgspec.structs.replace(method(exact(2), FIVE), trust="trust", verdict="slow", slow=True, name="hirescam")
    assert summary([live, slow], [])[1:] == ["slow", "live"]
    assert summary([live], [])[1:] == ["live"]
    assert summary([], [])[1:] == []


def driving(r: float | None) -> Driving:
    return Driving(
        frames=100,
        driver="the recorded driver",
        steering_r=None if r is None else exact(r),
        steering_error=exact(0.1),
        steering_spread=0.3,
        same_side=None,
        throttle_r=None,
        throttle_error=None,
        points=[],
    )


def zones(sky: float, left: float, right: float) -> list[Zone]:
    return [
        Zone("sky", exact(0.3), exact(sky), exact(sky)),
        Zone("left line", exact(0.1), exact(0.5), exact(left)),
        Zone("right line", exact(0.1), exact(0.5), exact(right)),
    ]


def outcomes(found: list[Check]) -> list[bool | None]:
    return [check.passed for check in found]


TRUSTED = [msgspec.structs.replace(method(SURE, FIVE), trust="trust")]


def test_a_good_pilot_passes() -> None:
    found = checks(TRUSTED, driving(0.9), zones(0.1, 0.4, 0.5), 0.2, known=True)
    assert outcomes(found) == [True] * 5 and passed(found)
    assert summary(TRUSTED, found)[0] == "The pilot passes all 5 checks that could be made."


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (0, checks(TRUSTED, driving(0.9), zones(0.1, 0.4, 0.5), 0.001, known=True)),
        (1, checks(TRUSTED, driving(0.5), zones(0.1, 0.4, 0.5), 0.2, known=True)),
        (2, checks(TRUSTED, driving(0.9), zones(0.4, 0.4, 0.5), 0.2, known=True)),
        (3, checks(TRUSTED, driving(0.9), zones(0.1, 0.0, 0.5), 0.2, known=True)),
        (4, checks([method(ABOUT_ONE, FIVE)], driving(0.9), zones(0.1, 0.4, 0.5), 0.2, known=True)),
    ],
)
def test_each_rule_alone_fails_a_pilot(place: int, found: list[Check]) -> None:
    assert outcomes(found) == [i != place for i in range(5)]
    assert not passed(found)
    assert f"fails 1 of 5 checks: “{found[place].name}”" in summary(TRUSTED, found)[0]


def test_what_the_source_cannot_answer_is_not_judged() -> None:
    found = checks(TRUSTED, None, zones(0.9, 0.0, 0.5), 0.2, known=False)
    assert outcomes(found) == [True, None, None, None, True] and passed(found)
    assert "Not judged on this source" in summary(TRUSTED, found)[-1]
    assert outcomes(checks([], driving(None), [], 0.2, known=True)) == [True, None, None, None, None]
