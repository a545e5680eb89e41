"""Gradients of a TFLite network, from the weights in its file and the values of a run, without TensorFlow.

    backward = Backward(model, sources=[steering], targets=[image, *taps])
    interpreter = …                                     of expose(model, [*taps, *backward.needs])
    interpreter.invoke()
    image_gradient, *tap_gradients = backward(value, {steering: np.ones(1, np.float32)})

plan.py says which operators lie between sources and targets, rules.py which rule leads back over each; the rules stand
in a file for each family.
"""

from edge.backward.link import BackwardError
from edge.backward.plan import Backward

__all__ = ["Backward", "BackwardError"]
