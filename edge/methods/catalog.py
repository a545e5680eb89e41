"""Every way a map can be made, and in one sentence each what it is worth."""

from dataclasses import dataclass


class MethodError(Exception):
    """There is no such map of this pilot; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Method:
    """What is known of a method before it runs."""

    name: str
    title: str
    """For people."""
    says: str
    """What a map of it is worth, for people: one sentence."""
    source: str
    """The paper."""
    signed: bool = False
    """Positive where a pixel pushes the target up (steering: to the right), negative where down."""
    slow: bool = False
    """Takes as long as more than 4 invokes of the pilot: for the background, not for every frame."""
    needs_gradients: bool = False
    takes_layer: bool = False
    """Shows one convolution, which may be chosen."""


_METHODS = (
    Method(
        "visualbackprop",
        "VisualBackProp",
        "What the convolutions react to; it does not look at the layers behind them, so steering and throttle have the "
        "same map and it stays nearly the same when those layers know nothing.",
        "Bojarski et al., arXiv 1611.05418",
    ),
    Method(
        "coverage",
        "VisualBackProp, coverage-normalized",
        "VisualBackProp without the grid and the dark border that come from how often each pixel is seen: calmer to "
        "look at, less faithful, and as blind to what the word is.",
        "after Bojarski et al., arXiv 1611.05418",
    ),
    Method(
        "gradient",
        "Input gradient",
        "Where a small change of a pixel would change the pilot's word most, in either direction; grainy, and not the "
        "same as what the word comes from.",
        "Simonyan, Vedaldi, Zisserman 2013, arXiv 1312.6034",
        needs_gradients=True,
    ),
    Method(
        "gradient-input",
        "Gradient × (input - blur)",
        "What each pixel adds to the pilot's word against a blurred frame, as if the pilot were linear, which it is "
        "not; cheap and signed, but grainy.",
        "Shrikumar et al. 2016, arXiv 1605.01713, with a blurred baseline",
        signed=True,
        needs_gradients=True,
    ),
    Method(
        "gradcam",
        "Grad-CAM",
        "Which places of one convolution push the word, with one weight per channel for the whole picture: coarse, and "
        "wrong where a feature pushes left in one place and right in another, which in a pilot is the rule.",
        "Selvaraju et al. 2017, arXiv 1610.02391, kept signed",
        signed=True,
        needs_gradients=True,
        takes_layer=True,
    ),
    Method(
        "hirescam",
        "HiResCAM",
        "What each place of one convolution adds to the word, exact for the last one if a single linear layer follows; "
        "coarse for late layers, grainy for early ones, and an empty road has its share too.",
        "Draelos and Carin 2020, arXiv 2011.08891",
        signed=True,
        needs_gradients=True,
        takes_layer=True,
    ),
    Method(
        "gradient-visualbackprop",
        "Gradient VisualBackProp",
        "What pushes the word up or down against a blurred frame, whichever of both pushes more by one gradient: the "
        "most faithful map for every frame by the deletion measure; what pushes the other way is left out.",
        "PilotLens, docs/design.md, after VisualBackProp and integrated gradients",
        signed=True,
        needs_gradients=True,
    ),
    Method(
        "integrated-gradients",
        "Integrated gradients",
        "What each pixel adds to the word on the way from a blurred frame to this one, for and against; the parts add "
        "up to the whole change but for the few steps that are taken.",
        "Sundararajan, Taly, Yan 2017, arXiv 1703.01365",
        signed=True,
        slow=True,
        needs_gradients=True,
    ),
    Method(
        "integrated-visualbackprop",
        "Integrated VisualBackProp",
        "What pushes the word the way it went when a blurred frame became sharp, from three gradients on the way: the "
        "most faithful map of all by the deletion measure, some frames late; what pushes the other way is left out.",
        "PilotLens, docs/design.md, after VisualBackProp and integrated gradients",
        signed=True,
        slow=True,
        needs_gradients=True,
    ),
    Method(
        "itti",
        "Itti-Koch-Niebur",
        "What stands out to an eye that knows nothing of driving: a baseline that does not look at the pilot at all.",
        "Itti, Koch, Niebur 1998, IEEE PAMI 20(11)",
        slow=True,
    ),
    Method(
        "edges",
        "Edges",
        "Where brightness changes: a baseline that does not look at the pilot at all, and that a map has to beat.",
        "Sobel and Feldman 1968",
    ),
)

CATALOG: dict[str, Method] = {method.name: method for method in _METHODS}
"""By name, in the order they are offered."""
