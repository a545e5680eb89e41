"""Maps of what a pilot's word hangs on, each made by a method of the user's choice.

methods = Methods(pilot)
outputs = pilot.infer(rgb)
mask = methods("gradient-visualbackprop", "steering")

catalog.py    all methods and what each is worth        cams.py     Grad-CAM, HiResCAM
gradients.py  gradient, gradient × input                paths.py    integrated gradients, the gradient-driven chains
itti.py, edges.py    baselines that do not look at the pilot
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from edge.mask import Form, RawMask, VisualBackProp
from edge.methods.cams import Cams
from edge.methods.case import Case
from edge.methods.catalog import CATALOG, Method, MethodError
from edge.methods.edges import edges
from edge.methods.gradients import gradient, gradient_input
from edge.methods.itti import itti
from edge.methods.paths import Paths
from edge.pilot import Pilot

__all__ = ["CATALOG", "Method", "MethodError", "Methods"]

MAX_LAYER_NAME = 64
"""A longer one cannot be asked for over the wire."""


class Methods:
    """All maps of one pilot. Like the pilot not for several threads at once."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self._back = VisualBackProp(pilot.geometry)
        self.layers = _layers(pilot)
        """The convolutions by name, for methods that take one."""
        cams, paths = Cams(pilot.geometry), Paths(pilot.geometry)
        self._makers: dict[str, Callable[[Case], RawMask]] = {
            "visualbackprop": lambda case: self._visualbackprop("exact"),
            "coverage": lambda case: self._visualbackprop("coverage"),
            "gradient": gradient,
            "gradient-input": gradient_input,
            "gradcam": cams.gradcam,
            "hirescam": cams.hirescam,
            "gradient-visualbackprop": paths.gradient_visualbackprop,
            "integrated-gradients": paths.integrated_gradients,
            "integrated-visualbackprop": paths.integrated_visualbackprop,
            "itti": lambda case: RawMask(itti(case.seen())),
            "edges": lambda case: RawMask(edges(case.seen())),
        }

    def refusal(self, method: str, target: str = "steering", layer: str = "") -> str:
        """Why there is no such map of this pilot, in one sentence; empty if there is."""
        if method not in CATALOG:
            return f"method {method!r} is not known; choose one of {', '.join(CATALOG)}"
        needs = CATALOG[method]
        if needs.needs_gradients and self._pilot.no_gradients:
            return self._pilot.no_gradients
        if needs.needs_gradients and target not in self._pilot.targets:
            return f"this pilot has no {target!r} to explain; it has {', '.join(self._pilot.targets)}"
        if needs.takes_layer and layer and layer not in self.layers:
            return f"this pilot has no convolution {layer!r}; it has {', '.join(self.layers)}"
        return ""

    def __call__(
        self,
        method: str,
        target: str = "steering",
        layer: str = "",
    ) -> RawMask:
        """The map of the frame that the pilot has just run on by `infer`: values float32 (H, W) at its input size.

        layer: one of `layers`, "" for the last. Afterwards the pilot may have run on something else. A map that is not
        finite everywhere is 0 everywhere. Raises MethodError.
        """
        if refused := self.refusal(method, target, layer):
            raise MethodError(refused)
        tap = self.layers.index(layer) if layer and CATALOG[method].takes_layer else len(self.layers) - 1
        with np.errstate(all="ignore"):
            mask = self._makers[method](Case(self._pilot, target, tap))
            finite = math.isfinite(cv2.norm(mask.values, cv2.NORM_L1))
        return mask if finite else mask._replace(values=np.zeros_like(mask.values), exponent=0)

    def _visualbackprop(self, form: Form) -> RawMask:
        return self._back(self._back.means(self._pilot.activations()), form)


def _layers(pilot: Pilot) -> tuple[str, ...]:
    """The names of the tapped steps; one that is not there, too long or not the only one is numbered instead."""
    names = [step.name for step in pilot.geometry if step.tapped]
    usable = [0 < len(name) <= MAX_LAYER_NAME and names.count(name) == 1 for name in names]
    return tuple(
        name if fine else f"convolution {i}" for i, (name, fine) in enumerate(zip(names, usable, strict=True), 1)
    )
