"""Over one operator of a pilot after the other, noting what of the image each tensor holds, and the steps passed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from edge.geometry import Reads, Step
from edge.operators import (
    CONVOLUTIONS,
    OPERATORS,
    Activation,
    Arithmetic,
    Concatenation,
    Crop,
    Divide,
    End,
    Fold,
    Identity,
    Kind,
    Pack,
    Pad,
    Reduce,
    Resize,
    Split,
    fused,
    refusal,
)
from edge.tflite import Model, Operator, PilotError
from edge.walk import moves
from edge.walk.spots import WHOLE, Ground, Lost, Note, Spot
from edge.windows import Window, damaged, grid, layer_name, shape, window

__all__ = ["Walk"]

Spots = Mapping[int, Spot]
"""What an operator's inputs hold, by tensor; without those that have no place in the image."""

_BEHIND: Mapping[Reads, Reads] = {"mean": "positive", "positive": "positive", "magnitude": "magnitude"}
"""How a convolution's own values count if those that count so come only later, behind a pooling."""
_LINEAR = frozenset({"ADD", "SUB", "ADD_N"})
_NUMBERS = frozenset({"FLOAT32", "INT8", "UINT8", "INT16"})
_MOVES: Mapping[type[Kind], Callable[[Ground, Operator, Spot], Note]] = {
    Identity: moves.passed,
    Pad: moves.padded,
    Crop: moves.cropped,
    Resize: moves.resized,
    Fold: moves.folded,
    Reduce: moves.reduced,
}


class Walk(Ground):
    """`take` the operators in their order; then `steps` are all there are and `taps` their tensors."""

    def __init__(self, model: Model, image: int, ahead: Collection[int]) -> None:
        """image: tensor to start from. ahead: operators that are a convolution or have one behind them."""
        super().__init__(model, image)
        self._notes: dict[int, Spot | Lost] = {image: Spot(-1)}
        self._ahead = ahead
        self._onward = {index for place in ahead for index in model.operators[place].inputs}

    def take(self, operator: Operator) -> None:
        """Go over one operator. Raises PilotError where a convolution looks at what cannot be followed."""
        seen = {index: self._notes[index] for index in operator.inputs if index in self._notes}
        if not seen or not operator.outputs:
            return
        for output, note in zip(operator.outputs, self._over(operator, seen), strict=True):
            if note is moves.NOT_KNOWN or (isinstance(note, Spot) and grid(self.model, output) is None):
                self._notes[output] = self._lost(operator)
            elif note:
                self._notes[output] = note

    def _over(self, operator: Operator, seen: Mapping[int, Spot | Lost]) -> Sequence[Note]:
        """A note for each output."""
        kind, count = OPERATORS.get(operator.name), len(operator.outputs)
        spots = {index: spot for index, spot in seen.items() if isinstance(spot, Spot)}
        if isinstance(kind, End):
            return [moves.NOT_KNOWN if self._keeps(operator, spots) else None] * count
        lost = next((note for note in seen.values() if isinstance(note, Lost)), None) or self._refused(operator, spots)
        if lost and operator.name in CONVOLUTIONS:
            raise PilotError(lost.why)
        if lost or kind is None:
            return [lost] * count
        if isinstance(kind, Split):
            return moves.split(self, operator, next(iter(spots.values())), kind)
        return [self._on(kind, operator, spots), *[None] * (count - 1)]

    def _refused(self, operator: Operator, spots: Spots) -> Lost | None:
        kind = OPERATORS.get(operator.name)
        if kind is None:
            return self._lost(operator)
        data = kind.data if isinstance(kind, Split) else 0
        if not isinstance(kind, Arithmetic | Concatenation | Pack) and {*spots} != {*operator.inputs[data : data + 1]}:
            return self._lost(operator, "uses the image as its parameter")
        return None

    def _on(self, kind: Kind, operator: Operator, spots: Spots) -> Note:
        spot = next(iter(spots.values()))
        match kind:
            case Window():
                return self._look(operator, spot)
            case Activation(reads):
                return self._change(operator, spot, reads) if self._keeps(operator, spots) else moves.NOT_KNOWN
            case Arithmetic() | Concatenation():
                return self._combine(kind, operator, spots)
            case Pack():
                return moves.packed(self, operator, spots.get(operator.inputs[-1]))
            case Divide(back):
                return (moves.undivided if back else moves.divided)(self, operator, spot)
        return _MOVES[type(kind)](self, operator, spot)

    def _look(self, operator: Operator, spot: Spot) -> Note:
        """Through the windows of a convolution or pooling."""
        step, size = window(self.model, operator, spot.block), self.size(spot)
        (top, bottom), (left, right) = spot.frame
        if step is None or step.in_size != (size[0] + top + bottom, size[1] + left + right):
            raise damaged(operator)
        if spot.block != WHOLE and step.stride != (1, 1):
            raise PilotError(self._lost(operator, "moves by more than 1 in an image that is taken apart").why)
        pad = (step.pad[0] + top, step.pad[1] + left)
        step = replace(step, in_size=size, pad=pad, inputs=(spot.step,))
        return self._convolve(operator, step, spot) if step.tapped else self._pool(operator, step, spot)

    def _convolve(self, operator: Operator, step: Step, spot: Spot) -> Spot:
        reads = fused(operator)
        place = self.append(replace(step, reads=reads or "magnitude"))
        self.taps[place] = operator.outputs[0]
        return Spot(place, block=spot.block, fresh=True, active=operator.outputs[0] if reads else None)

    def _pool(self, operator: Operator, step: Step, spot: Spot) -> Note:
        if step.out_size == (1, 1) != step.in_size:
            return None  # the whole image at once
        pooled = spot.moved(self.append(step), block=spot.block)
        reads = fused(operator)
        return self._change(operator, pooled, reads) if reads else pooled

    def _change(self, operator: Operator, spot: Spot, reads: Reads | None) -> Spot:
        """Values one by one, by an activation function behind which they count as `reads` says, or (None) otherwise."""
        if spot.fresh:
            if reads or spot.active is None:
                self._tap(spot.step, operator, reads or "magnitude")
            return replace(spot, active=operator.outputs[0]) if reads else spot
        for place in spot.awaiting if reads else ():
            self.steps[place] = replace(self.steps[place], reads=_BEHIND[reads or "mean"])
        return replace(spot, awaiting=frozenset())

    def _tap(self, place: int, operator: Operator, reads: Reads) -> None:
        """Let the tap of a step follow, unless its values go on to further convolutions without this operator."""
        before = self._onward.intersection(operator.inputs) & self._notes.keys()
        aside = before and operator.index not in self._ahead
        if not aside and self.model.tensors[operator.outputs[0]].type in _NUMBERS:
            self.taps[place] = operator.outputs[0]
            self.steps[place] = replace(self.steps[place], reads=reads)

    def _combine(self, kind: Arithmetic | Concatenation, operator: Operator, spots: Spots) -> Note:
        """Values of the same cells with each other, with constants, or with those of other branches."""
        size, chained = grid(self.model, operator.outputs[0]), isinstance(kind, Concatenation)
        if chained and operator.setting(0) not in {-1, len(shape(self.model, operator.outputs[:1])) - 1}:
            return moves.NOT_KNOWN
        here = [spot for index, spot in spots.items() if grid(self.model, index) == size]
        if not here or any(grid(self.model, index) not in {size, (1, 1)} for index in spots):
            return self._lost(operator, "changes the shape of the image")
        if len({spot.place for spot in here}) > 1:
            return self._join(operator, here, told_apart=chained)
        reads = fused(operator) or self._made(kind, operator, here)
        return here[0] if chained and not reads else self._change(operator, here[0], reads)

    def _made(self, kind: Arithmetic | Concatenation, operator: Operator, here: Sequence[Spot]) -> Reads | None:
        """How values count if what is combined, all of the same cells, is an activation function, such as x·σ(x)."""
        actives = {spot.active for spot in here}
        if len(here) < 2 or not here[0].fresh:
            return None
        if len(actives) == 1 and (actives != {None} or isinstance(kind, Concatenation) or operator.name in _LINEAR):
            return None
        return "magnitude" if kind.symmetric else "positive"

    def _join(self, operator: Operator, here: Sequence[Spot], *, told_apart: bool) -> Note:
        """One step that looks at each of several grids. told_apart: the values of each are still there."""
        if any(spot.block != WHOLE for spot in here):
            return self._lost(operator, "joins images that are taken apart")
        inputs = tuple({spot.place: self.flat(spot, operator) for spot in here}.values())
        if len({self.size(place) for place in inputs}) > 1:
            raise damaged(operator)
        place, reads = self.add(operator, inputs[0], inputs=inputs), fused(operator)
        waiting = frozenset[int]().union(*(spot.waiting for spot in here)) if told_apart else frozenset[int]()
        joined = Spot(place, awaiting=waiting)
        return self._change(operator, joined, reads) if reads else joined

    def _keeps(self, operator: Operator, spots: Spots) -> bool:
        """Its output has the grid of what it is given of the image."""
        return {grid(self.model, index) for index in spots} == {grid(self.model, operator.outputs[0])}

    def _lost(self, operator: Operator, why: str = "") -> Lost:
        return Lost(
            f"cannot be shown: operator {operator.name} ({layer_name(self.model, operator)!r}), "
            f"which lies before its last convolution, {why or refusal(operator)}"
        )
