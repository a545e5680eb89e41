"""Operators that move the cells of an image: frame it, cut it, resize it, take it apart, pick a frame of a sequence.

Each function tells what an operator with one input that holds `spot` gives; Lost if its numbers are not understood.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from edge.operators import Split
from edge.tflite import Operator
from edge.walk.spots import WHOLE, Ground, Lost, Note, Spot
from edge.windows import NO_FRAME, Frame, axes, blocks, crop, grid, paddings, shape

NOT_KNOWN = Lost("")
"""The operator's usual reason is to be given."""


def passed(ground: Ground, operator: Operator, spot: Spot) -> Note:
    """Values as they are; other leading sizes tell frames of a sequence apart differently."""
    before, after = shape(ground.model, operator.inputs[:1]), shape(ground.model, operator.outputs[:1])
    return spot if before[-3:] == after[-3:] else NOT_KNOWN


def padded(ground: Ground, operator: Operator, spot: Spot) -> Note:
    """Whatever is in the frame, it is no part of the image."""
    frame = paddings(ground.model, operator)
    return NOT_KNOWN if frame is None or spot.block != WHOLE else spot.moved(frame=_around(spot.frame, frame))


def cropped(ground: Ground, operator: Operator, spot: Spot) -> Note:
    """Of a sequence only what has the newest frame, the last, is followed."""
    sizes, kept = shape(ground.model, operator.inputs[:1]), crop(ground.model, operator)
    if kept is None:
        return NOT_KNOWN
    *lead, rows, columns, _ = kept
    if any(span[-1] != size - 1 for span, size in zip(lead, sizes, strict=False)):
        return None
    size = (len(rows), len(columns))
    if min(rows.step, columns.step) < 0 or grid(ground.model, operator.outputs[0]) != size:
        return NOT_KNOWN
    if size == sizes[-3:-1]:
        return spot
    if spot.block != WHOLE:
        return NOT_KNOWN
    stride = tuple(span.step if len(span) > 1 else 1 for span in (rows, columns))
    pad = (-rows.start, -columns.start)
    base = ground.flat(spot, operator)
    return spot.moved(ground.add(operator, base, stride=stride, pad=pad, out_size=size))


def resized(ground: Ground, operator: Operator, spot: Spot) -> Note:
    size = grid(ground.model, operator.outputs[0])
    if size is None or spot.block != WHOLE:
        return NOT_KNOWN
    return spot.moved(ground.add(operator, ground.flat(spot, operator), out_size=size, resized=True))


def folded(ground: Ground, operator: Operator, spot: Spot) -> Note:
    """SPACE_TO_DEPTH: each cell looks at a block."""
    side, size = operator.setting(0), grid(ground.model, operator.outputs[0])
    if (
        size is None
        or grid(ground.model, operator.inputs[0]) != (side * size[0], side * size[1])
        or spot.block != WHOLE
    ):
        return NOT_KNOWN
    base = ground.flat(spot, operator)
    return spot.moved(ground.add(operator, base, kernel=(side, side), stride=(side, side), out_size=size))


def divided(ground: Ground, operator: Operator, spot: Spot) -> Note:
    """SPACE_TO_BATCH_ND: what follows is as far apart as the block is large."""
    found = blocks(ground.model, operator)
    if found is None or spot.block != WHOLE:
        return NOT_KNOWN
    block, frame = found
    return spot.moved(frame=_around(spot.frame, frame), block=block)


def undivided(ground: Ground, operator: Operator, spot: Spot) -> Note:
    """BATCH_TO_SPACE_ND, and what it cuts off."""
    block, ((top, bottom), (left, right)) = blocks(ground.model, operator) or (WHOLE, NO_FRAME)
    if block != spot.block or block == WHOLE:
        return NOT_KNOWN
    cut = (-top, -bottom), (-left, -right)
    if spot.fresh:
        return _uncut(ground, operator, spot, cut)
    whole = spot.moved(frame=_around(spot.frame, cut))
    return whole.moved(ground.flat(whole, operator))


def _uncut(ground: Ground, operator: Operator, spot: Spot, cut: Frame) -> Note:
    """A convolution that was taken apart is one with a dilation: what is cut off it has never made."""
    step, ((top, bottom), (left, right)) = ground.steps[spot.step], cut
    if cut != NO_FRAME and any(spot.step in other.inputs for other in ground.steps):
        return NOT_KNOWN
    pad, size = (
        (step.pad[0] + top, step.pad[1] + left),
        (step.out_size[0] + top + bottom, step.out_size[1] + left + right),
    )
    ground.steps[spot.step] = replace(step, pad=pad, out_size=size)
    ground.taps[spot.step] = operator.outputs[0]
    active = None if spot.active is None else operator.outputs[0]
    return Spot(spot.step, fresh=True, active=active)


def reduced(ground: Ground, operator: Operator, spot: Spot) -> Note:
    """Over rows and columns: nothing of the image is left. Over channels: the cells stay."""
    rank, along = len(shape(ground.model, operator.inputs[:1])), axes(ground.model, operator, 1)
    if along >= {rank - 3, rank - 2}:
        return None
    kept = grid(ground.model, operator.inputs[0]) == grid(ground.model, operator.outputs[0])
    return spot if along == {rank - 1} and kept else NOT_KNOWN


def packed(ground: Ground, operator: Operator, spot: Note) -> Note:
    """Several frames to a sequence; `spot`: what the last one holds, which is the newest."""
    one, sizes = shape(ground.model, operator.inputs[-1:]), shape(ground.model, operator.outputs[:1])
    axis = operator.setting(1) % max(len(sizes), 1)
    fits = sizes[:axis] + sizes[axis + 1 :] == one and axis < len(sizes) - 3 and prod(one[:-3]) == 1
    return spot if fits else NOT_KNOWN


def split(ground: Ground, operator: Operator, spot: Spot, kind: Split) -> Sequence[Note]:
    """What each output holds: parts of the channels lie where the whole does; of a sequence the last is followed."""
    count, sizes = len(operator.outputs), shape(ground.model, operator.inputs[kind.data : kind.data + 1])
    rank = len(sizes)
    along = axes(ground.model, operator, kind.axis) if kind.axis >= 0 else {operator.setting(1) % rank}
    if len(along) != 1 or any(grid(ground.model, output) != sizes[-3:-1] for output in operator.outputs):
        return [NOT_KNOWN] * count
    (axis,) = along
    if axis == rank - 1:
        return [spot] * count
    sequence = axis < rank - 3 and prod(sizes[:-3]) == sizes[axis]
    return [*[None] * (count - 1), spot] if sequence else [NOT_KNOWN] * count


def _around(inner: Frame, outer: Frame) -> Frame:
    rows, columns = ((a[0] + b[0], a[1] + b[1]) for a, b in zip(inner, outer, strict=True))
    return rows, columns
