"""What the figures mean, by fixed rules: whether a method can be trusted on this pilot, and whether the pilot passes.

A method is trusted where it beats the edge map and random blobs for certain (the 95 % interval of the ratio lies above
1) and, if it is signed, where redrawing the head also redraws the map. A pilot passes if none of its checks fails; a
check that this source cannot answer is not judged and does not count.
"""

from collections.abc import Sequence

from models.report.result import Check, Driving, MethodReport, Trust, Zone
from models.report.statistics import Interval
from models.report.zones import SKY

LEAST_SPREAD = 0.01
LEAST_R = 0.6
MOST_SKY = 0.1
MOST_ONE_LINE = 0.85
MOST_KEPT = 0.3
"""Greatest rank correlation that a signed map may keep when the head is redrawn."""
HARDLY_CHANGES = 0.7
BASELINES = frozenset({"itti", "edges", "random"})


def judge(method: MethodReport, target: str = "steering") -> tuple[Trust, str]:
    """Whether to trust a method, and why, in a few sentences."""
    if method.refused:
        return "refused", method.refused
    if method.name in BASELINES:
        return "baseline", _baseline(method, target)
    trust, verdict = _by_deletion(method)
    kept = _kept(method)
    if trust == "trust" and method.signed and kept is not None and abs(kept) > MOST_KEPT:
        return "unclear", f"{_measured(method)}: but its sign survives a random head (rank correlation {kept:.2f})."
    return trust, f"{_measured(method)}: {verdict}.{_aside(method)}"


def checks(
    methods: Sequence[MethodReport], driving: Driving | None, zones: Sequence[Zone], spread: float, *, known: bool
) -> list[Check]:
    """The rules a pilot passes by. known: the zones are ground truth or the user's, so they can be judged by."""
    sky, lines = _sky(zones, known=known), _lines(zones, known=known)
    return [_steers(spread), _drives(driving), sky, lines, _explained(methods)]


def passed(found: Sequence[Check]) -> bool:
    return all(check.passed is not False for check in found)


def best(methods: Sequence[MethodReport]) -> MethodReport | None:
    """The method that explains most, baselines aside: trusted ones first, then by the ratio to edges."""
    ranked = [it for it in methods if it.change is not None and it.name not in BASELINES]
    return max(ranked, key=lambda it: (it.trust == "trust", it.change.value if it.change else 0), default=None)


def summary(methods: Sequence[MethodReport], found: Sequence[Check]) -> list[str]:
    """The report in a few sentences: the outcome, the best map (and the best for every frame), the checks' figures."""
    failed, unknown = ([f"“{it.name}”" for it in found if it.passed is outcome] for outcome in (False, None))
    made = len(found) - len(unknown)
    outcome = f"The pilot fails {len(failed)} of {made} checks: {_listed(failed)}."
    if not failed:
        outcome = f"The pilot passes all {made} checks that could be made."
    lines = [outcome]
    top, live = best(methods), best([method for method in methods if not method.slow])
    lines += [method.verdict for method in (top, live) if method is not None][: 1 + (top is not live)]
    lines += [check.figure for check in found if check.passed is not None and check.name != _EXPLAINED]
    if unknown:
        lines.append(f"Not judged on this source: {_listed(unknown)}.")
    return lines


_EXPLAINED = "a map explains it"


def _measured(method: MethodReport) -> str:
    compared = [
        f"{_times(ratio)} what {other}"
        for ratio, other in ((method.to_edges, "an edge map does"), (method.to_random, "random blobs do"))
        if ratio is not None
    ]
    return f"On this pilot, {method.title} explains {' and '.join(compared) or 'nothing that could be measured'}"


def _by_deletion(method: MethodReport) -> tuple[Trust, str]:
    edges, random = method.to_edges, method.to_random
    if edges is None or random is None:
        return "unclear", "there is nothing to compare it with"
    if random.low <= 1:
        return "distrust", "no better than random, do not trust it"
    if edges.high < 1:
        return "distrust", "worse than an edge map, do not trust it"
    if edges.low <= 1:
        return "unclear", "not told apart from an edge map, trust it no more than that"
    return "trust", "trust it"


def _baseline(method: MethodReport, target: str) -> str:
    knows = f"It knows nothing of the pilot; a map of {target} has to beat it."
    return f"{_measured(method)}. {knows}" if method.name == "itti" else knows


def _aside(method: MethodReport) -> str:
    """What the map cannot tell, though it may be right."""
    return _missing(method) + ("" if method.signed else _unmoved(method))


def _missing(method: MethodReport) -> str:
    """Deletion alone flatters maps that leave out what pushes the other way."""
    insertion = method.insertion_to_edges
    if insertion is None or insertion.low <= 1:
        return ""
    return (
        f" But its top pixels alone do not bring the output back as well as those of an edge map: it stays "
        f"{_times(insertion)} as far away, so the map leaves out part of the reasons."
    )


def _unmoved(method: MethodReport) -> str:
    if method.randomised is None or not method.randomised.magnitudes:
        return ""
    if (kept := method.randomised.magnitudes[0].value) < HARDLY_CHANGES:
        return ""
    return (
        f" It hardly changes when the head is redrawn (rank correlation {kept:.2f}): it shows where the network looks, "
        "not what makes it steer."
    )


def _kept(method: MethodReport) -> float | None:
    return method.randomised.values[0].value if method.randomised and method.randomised.values else None


def _steers(spread: float) -> Check:
    figure = f"Its output has a standard deviation of {spread:.3f} over these frames."
    return Check("it reacts to the picture", spread >= LEAST_SPREAD, figure, f"standard deviation ≥ {LEAST_SPREAD}")


def _drives(driving: Driving | None) -> Check:
    name, rule = "it drives like the driver", f"correlation of steering ≥ {LEAST_R}"
    if driving is None:
        return Check(name, None, "The source holds no driving to compare with.", rule)
    if driving.steering_r is None:
        return Check(name, None, f"The steering of {driving.driver} or of the pilot does not vary.", rule)
    figure = (
        f"Its steering agrees with {driving.driver}: r = {driving.steering_r}, mean error "
        f"{driving.steering_error.value:.3f} where the driver's spread is {driving.steering_spread:.3f}."
    )
    if driving.steering_r.value < LEAST_R:
        figure = figure.replace("agrees with", "hardly agrees with", 1)
    return Check(name, driving.steering_r.value >= LEAST_R, figure, rule)


def _sky(zones: Sequence[Zone], *, known: bool) -> Check:
    name = "it does not steer by the sky"
    rule = f"another sky changes at most {MOST_SKY:.0%} of what another picture does"
    sky = next((zone.swapped for zone in zones if zone.name.lower() == SKY), None)
    if not known or sky is None:
        return Check(name, None, "Where the sky is, is not known here (give --zones).", rule)
    figure = f"Another frame's sky changes its output by {_percent(sky)} of what another picture does."
    return Check(name, sky.value <= MOST_SKY, figure, rule)


def _lines(zones: Sequence[Zone], *, known: bool) -> Check:
    name = "it uses more than one line"
    rule = f"the most important line has at most {MOST_ONE_LINE:.0%} of the lines' effect"
    lines = {it.name: it.erased.value for it in zones if it.name.lower().endswith("line") and it.erased is not None}
    total = sum(lines.values())
    if not known or len(lines) < 2 or not total:
        return Check(name, None, "Where the lines are, is not known here (give --zones).", rule)
    first = max(lines, key=lambda line: lines[line])
    parts = ", ".join(f"{line} {effect / total:.0%}" for line, effect in lines.items())
    figure = f"Of the change from erasing one line, each has: {parts}."
    return Check(name, lines[first] / total <= MOST_ONE_LINE, figure, rule)


def _explained(methods: Sequence[MethodReport]) -> Check:
    rule = "at least one method beats edges and random for certain"
    trusted = [method.title for method in methods if method.trust == "trust"]
    measured = [method for method in methods if method.change is not None and method.name not in BASELINES]
    if not measured:
        return Check(_EXPLAINED, None, "No method runs on this pilot.", rule)
    figure = f"{_listed(trusted)} can be trusted." if trusted else "No method beats a plain edge map for certain."
    return Check(_EXPLAINED, bool(trusted), figure, rule)


def _times(ratio: Interval) -> str:
    return f"{_short(ratio.value)}× ({_short(ratio.low)}–{_short(ratio.high)})"


def _short(number: float) -> str:
    return f"{number:.2f}" if number < 3 else f"{number:.1f}" if number < 10 else f"{number:.0f}"


def _percent(share: Interval) -> str:
    return f"{share.value:.0%} ({share.low:.0%}–{share.high:.0%})"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
