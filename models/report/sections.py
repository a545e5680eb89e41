"""The parts of the page about the methods: what was checked, which map to believe, each one's card."""

from html import escape

from models.report import charts, markup
from models.report.charts import Series
from models.report.result import MethodReport, Report
from models.report.shots import Shots
from models.report.verdict import MOST_KEPT, best

_MARKS = {True: ("ok", "✓"), False: ("no", "✗"), None: ("open", "–")}


def checks(report: Report) -> str:
    """Each rule with its outcome."""
    items = []
    for check in report.checks:
        look, mark = _MARKS[check.passed]
        items.append(
            f'<li class="{look}"><span class="mark">{mark}</span><span><span class="name">{escape(check.name)}</span>'
            f'<br>{escape(check.figure)}<span class="rule">Rule: {escape(check.rule)}.</span></span></li>'
        )
    return f'<h2>What was checked</h2>\n<ul class="checks">{"".join(items)}</ul>'


def ranking(report: Report) -> str:
    """Every method against the edge map."""
    ratios = [it.to_edges for it in markup.measured(report) if it.to_edges]
    low = min([0.5, *(max(ratio.low, 0.02) for ratio in ratios)]) / 1.1
    high = max([2.0, *(ratio.high for ratio in ratios)]) * 1.1
    top = best(report.methods)
    rows = "".join(_rank(it, low, high, first=it is top) for it in _by_change(report))
    head = (
        '<th></th><th>times an edge map</th><th class="n"></th><th class="n">times random</th>'
        '<th class="n hide">insertion</th><th class="n hide">random head</th><th class="n hide">ms</th><th></th>'
    )
    shares = " / ".join(f"{share * 100:.0f}" for share in report.shares)
    return (
        "<h2>Which map to believe</h2>\n<p>How much the output changes when the pixels a map ranks highest are blurred "
        f"away (top {shares} % of the picture, mean), divided by the same for a plain edge map. Dashed line: no better "
        "than edges. Lines: 95 % intervals.</p>\n"
        f"{markup.table(head, rows)}\n"
        '<p class="note">Insertion: how far the output is from the original when only these pixels are sharp, against '
        "an edge map (below 1 is better). Random head: rank correlation with the map of the same pilot, the weights of "
        f"its last layers redrawn; a signed map should keep less than {MOST_KEPT}.</p>"
    )


def curves(report: Report) -> str:
    """Deletion and insertion over the share of pixels."""
    return (
        "<h2>Taking pixels away, putting them back</h2>\n"
        f'<div class="pair">{_curve(report, "deletion")}{_curve(report, "insertion")}</div>'
    )


def gallery(report: Report, shots: Shots) -> str:
    """One frame through all methods."""
    if not shots.gallery:
        return ""
    figures = "".join(markup.figure(uri, caption) for caption, uri in shots.gallery)
    return (
        f"<h2>One frame, every method</h2>\n<p>Frame {shots.gallery_frame}: where the best method does as well as in "
        f'the median.</p>\n{_key(report)}<div class="shots">{figures}</div>'
    )


def methods(report: Report, shots: Shots) -> str:
    """A card for each."""
    cards = "\n".join(_card(report, it, shots) for it in _by_change(report) if it.name != report.random.name)
    refused = "".join(
        f"<li><b>{escape(it.title)}</b>: {escape(it.refused)}</li>" for it in report.methods if it.refused
    )
    unable = f"<h3>Not available for this pilot</h3><ul>{refused}</ul>" if refused else ""
    return f"<h2>Method by method</h2>\n{_key(report)}{cards}\n{unable}"


def how(report: Report) -> str:
    """How it was measured, for those who want to do it again."""
    facts = [
        ("pilot", f"{report.pilot.name}, {report.pilot.input}, sha256 {report.pilot.sha256}"),
        ("source", f"{report.source.name} ({report.source.kind}), {report.source.skipped} broken records passed over"),
        ("frames", f"{report.source.frames} of {report.source.read}, evenly spread"),
        ("nothing here", "the same frame blurred, Gaussian with a sigma of a tenth of the width"),
        ("ranking", "the map's magnitude smoothed by a box of 9 pixels (at 160 wide)"),
        ("intervals", f"95 %, 1000 draws of blocks of {report.block} consecutive frames, the same for every figure"),
        ("random", "blobs of smoothed noise, drawn anew for every frame"),
        ("made", f"{report.made}, {report.program}, seed {report.seed}, {report.seconds:.0f} s"),
    ]
    return (
        f"<h2>How it was measured</h2>\n{markup.facts(facts)}\n"
        '<p class="note">Deletion and insertion: Petsiuk et al. 2018, arXiv 1806.07421. Shift test: Bojarski et al. '
        "2017, arXiv 1704.07911. Randomised weights: Adebayo et al. 2018, arXiv 1810.03292. Block bootstrap: Politis "
        "and Romano 1992. All figures are in report.json beside this page.</p>"
    )


def _by_change(report: Report) -> list[MethodReport]:
    return sorted([*markup.measured(report), report.random], key=lambda it: -(it.change.value if it.change else 0))


def _rank(it: MethodReport, low: float, high: float, *, first: bool) -> str:
    ratio = it.to_edges
    line = charts.whisker(ratio, low, high, it.trust) if ratio else ""
    figure = f"{ratio.value:.2f}" if ratio else "–"
    times = f"{it.to_random.value:.1f}" if it.to_random else "–"
    insertion = f"{it.insertion_to_edges.value:.2f}" if it.insertion_to_edges else "–"
    kept = markup.signed(it.randomised.values[0].value) if it.randomised and it.randomised.values else "–"
    spent = f"{it.milliseconds:.1f}" if it.milliseconds else "–"
    return (
        f"<tr{' class=best' if first else ''}><th>{escape(it.title)}</th><td>{line}</td>"
        f'<td class="n">{figure}</td><td class="n">{times}</td><td class="n hide">{insertion}</td>'
        f'<td class="n hide">{kept}</td><td class="n hide">{spent}</td><td>{markup.tag(it)}</td></tr>'
    )


def _curve(report: Report, kind: str) -> str:
    top = best(report.methods)
    series = [
        Series(it.title, report.curve, getattr(it, kind), _look(it, top), band=_look(it, top) != "other")
        for it in [*markup.measured(report), report.random]
    ]
    series.sort(key=lambda one: ("other", "random", "edges", "best").index(one.look))
    says = {
        "deletion": ("Deletion", "Blur the top pixels: the steeper, the more the map knows.", "change of the output"),
        "insertion": ("Insertion", "Only the top pixels sharp: the lower, the better.", "distance from the original"),
    }
    title, says_it, up = says[kind]
    chart = charts.lines(series, across="share of the pixels", up=up, percent=True, label=title)
    return f"<figure><h3>{title}</h3><figcaption>{says_it}</figcaption>{chart}</figure>"


def _look(it: MethodReport, top: MethodReport | None) -> str:
    if it is top:
        return "best"
    return it.name if it.name in {"edges", "random"} else "other"


def _card(report: Report, it: MethodReport, shots: Shots) -> str:
    others = [one for one in [*report.methods, report.random] if one.name in {"edges", "random"} and one is not it]
    series = [Series(one.title, report.curve, one.deletion, one.name) for one in others if one.deletion]
    series.append(Series(it.title, report.curve, it.deletion, "best"))
    chart = charts.lines(series, across="share of the pixels blurred", up="change of the output", percent=True)
    figures = "".join(
        markup.figure(uri, f"{picked.what}: frame {picked.frame}, {picked.factor:.1f}× random")
        for picked, uri in shots.methods.get(it.name, [])
    )
    says = " ".join(filter(None, [escape(it.says), f"<i>{escape(it.paper)}</i>" if it.paper else ""]))
    return (
        f'<article class="method"><header><h3>{escape(it.title)}</h3>{markup.tag(it)}</header>'
        f'<p>{escape(it.verdict)}</p><p class="note">{says}</p>'
        f'<div class="body"><figure>{chart}</figure><div class="shots">{figures}</div></div></article>'
    )


def _key(report: Report) -> str:
    """What the colours mean, where signed maps are shown."""
    if not any(method.signed for method in markup.measured(report)):
        return ""
    down, up = ("left", "right") if report.pilot.target.startswith("steering") else ("down", "up")
    return (
        f'<p class="note key">Signed maps: <b class="l">blue</b> pushes the output to the {down}, '
        f'<b class="r">orange</b> to the {up}. Others: red to yellow.</p>'
    )
