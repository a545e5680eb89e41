"""The parts of the page about what the pilot depends on and what else was tested; without figures, nothing."""

from html import escape

from models.report import charts, markup
from models.report.charts import Series
from models.report.result import Driving, MethodReport, Report
from models.report.statistics import Interval
from models.report.verdict import best


def dependence(report: Report) -> str:
    """What happens when a zone is exchanged or erased."""
    rows = "".join(
        f'<tr><th>{escape(zone.name)}</th><td class="n">{zone.area.value:.0%}</td>'
        f"{markup.share(zone.swapped)}{markup.share(zone.erased)}</tr>"
        for zone in report.zones
    )
    head = '<th></th><th class="n">area</th><th>another frame’s instead</th><th>erased</th>'
    return (
        "<h2>What it depends on</h2>\n<p>The change of the output when a zone shows what another frame shows there, as "
        "a share of the change when the whole picture does; and the same when it is blurred away.</p>\n"
        f"{markup.table(head, rows)}\n"
        f'<p class="note">Zones: {escape(report.zones_from)}.</p>'
    )


def attention(report: Report) -> str:
    """Where the maps lie."""
    shown = markup.measured(report)
    if not shown or not report.zones:
        return ""
    lanes = any(method.lane for method in shown)
    names = "".join(f'<th class="n">{escape(zone.name)}</th>' for zone in report.zones)
    area = "".join(f'<td class="heat">{zone.area.value:.0%}</td>' for zone in report.zones)
    rows = "".join(_attention(method, lanes=lanes) for method in shown)
    lane_head = '<th class="n">lane paint / area</th>' if lanes else ""
    return (
        "<h2>Where the maps look</h2>\n<p>The share of each map's magnitude that lies in a zone.</p>\n"
        f'<div class="wide"><table><thead><tr><th></th>{names}{lane_head}</tr></thead><tbody>'
        f"<tr><th>area</th>{area}{'<td></td>' if lanes else ''}</tr>{rows}</tbody></table></div>"
        + ('<p class="note">Lane paint by ground truth, with two pixels about it.</p>' if lanes else "")
    )


def driving(report: Report) -> str:
    """The pilot against the driver."""
    if (found := report.driving) is None:
        return ""
    chart = charts.scatter(
        found.points, across=found.driver, up="pilot", label="steering of the pilot over that of the driver"
    )
    return (
        f'<h2>How it drives</h2>\n<div class="pair"><figure>{chart}<figcaption>Steering, −1 left to 1 right; dashed: '
        f"both agree.</figcaption></figure>{markup.facts(_agreement(found))}</div>"
    )


def _agreement(found: Driving) -> list[tuple[str, str]]:
    unvaried = "does not vary, or the pilot has none"
    error = f"{markup.exact(found.steering_error)}; the driver's spread {found.steering_spread:.3f}"
    return [
        ("frames", str(found.frames)),
        ("steering, r", str(found.steering_r or "does not vary")),
        ("steering, mean error", error),
        ("same side", markup.percent(found.same_side) if found.same_side else "the driver never steers enough"),
        ("throttle, r", str(found.throttle_r or unvaried)),
        ("throttle, mean error", markup.exact(found.throttle_error) if found.throttle_error else "the pilot has none"),
    ]


def randomised(report: Report) -> str:
    """How long a map stays the same while the weights are redrawn."""
    shown = [method for method in markup.measured(report) if method.randomised]
    if not shown:
        return ""
    head = "".join(f'<th class="level">{escape(level)}</th>' for level in report.levels)
    rows = "".join(
        f"<tr><th>{escape(it.title)}</th>{''.join(_kept(value) for value in it.randomised.values)}</tr>"
        for it in shown
        if it.randomised
    )
    return (
        "<h2>Does the map notice another pilot?</h2>\n<p>Weights are redrawn layer by layer from the head (left) down "
        "to the picture; each figure is the rank correlation with the original map. Maps that stay near 1 show the "
        "picture or the early layers, not this pilot's reasons.</p>\n"
        f"{markup.table(f'<th></th>{head}', rows)}"
    )


def shifted(report: Report) -> str:
    """NVIDIA's test: the best method as a chart, all as figures."""
    shown = [method for method in markup.measured(report) if method.shift]
    if not shown:
        return ""
    top = best(shown) or shown[0]
    assert top.shift is not None
    series = [
        _moved("whole picture moved", report, report.shift_whole, "random"),
        _moved("all but that moved", report, top.shift.background, "edges"),
        _moved("its top tenth moved", report, top.shift.salient, "best"),
    ]
    chart = charts.lines(series, across="shift, pixels to the right", up="change of the output")
    rows = "".join(
        f"<tr><th>{escape(it.title)}</th>{markup.share(one.salient_of_whole)}{markup.share(one.background_of_whole)}</tr>"
        for it in shown
        if (one := it.shift)
    )
    head = "<th></th><th>top tenth moved</th><th>the rest moved</th>"
    return (
        "<h2>Does steering follow what the map shows?</h2>\n<p>NVIDIA's shift test: what a map calls salient is moved "
        "sideways alone, then all the rest, as shares of what moving the whole picture does.</p>\n"
        f'<div class="pair"><figure><h3>{escape(top.title)}</h3>{chart}</figure>'
        f"{markup.table(head, rows)}</div>"
    )


def _attention(it: MethodReport, *, lanes: bool) -> str:
    cells = "".join(f'<td class="heat">{markup.heat(share.value)}</td>' for share in it.zones)
    lane = f'<td class="n">{it.lane.factor}×</td>' if it.lane and it.lane.factor else "<td></td>"
    return f"<tr><th>{escape(it.title)}</th>{cells}{lane if lanes else ''}</tr>"


def _kept(value: Interval) -> str:
    return f'<td class="heat">{markup.heat(abs(value.value), markup.signed(value.value))}</td>'


def _moved(label: str, report: Report, values: list[Interval], look: str) -> Series:
    """With the point that needs no measuring: unmoved, nothing changes."""
    points = sorted([*zip(report.shifts, values, strict=True), (0, Interval(0, 0, 0))], key=lambda point: point[0])
    return Series(label, [x for x, _ in points], [y for _, y in points], look)
