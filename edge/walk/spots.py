"""What of the image a tensor holds: a note on each, while operators are gone over.

Spot: the cells of a step, at least one value for each          Lost: something of the image, it cannot be told where
no note: nothing that has a place in the image
"""

from dataclasses import dataclass, field, replace

from edge.geometry import Step
from edge.tflite import Model, Operator
from edge.windows import NO_FRAME, Frame, Pair, framed, grid, layer_name

WHOLE = (1, 1)


@dataclass(frozen=True, slots=True)
class Spot:
    """The cells of a step, or of the image; perhaps in a frame of zeros, perhaps taken apart."""

    step: int
    """Its place in the geometry; -1 is the image."""
    frame: Frame = NO_FRAME
    block: Pair = WHOLE
    """Rows and columns that lie beside each other in the tensor are this far apart in the image."""
    fresh: bool = False
    """The values are those of a convolution, `step`, changed one by one."""
    active: int | None = None
    """If fresh: the tensor that its activation function gave."""
    awaiting: frozenset[int] = frozenset()
    """If not: the convolutions these values come from, where no activation function has come yet."""

    @property
    def place(self) -> tuple[int, Frame, Pair]:
        return self.step, self.frame, self.block

    @property
    def waiting(self) -> frozenset[int]:
        """The convolutions whose activation function is still to come."""
        return frozenset({self.step}) if self.fresh and self.active is None else self.awaiting

    def moved(self, step: int | None = None, frame: Frame = NO_FRAME, block: Pair = WHOLE) -> "Spot":
        """The same values at other places: none is a convolution's own any more."""
        return Spot(self.step if step is None else step, frame, block, awaiting=self.waiting)


@dataclass(frozen=True, slots=True)
class Lost:
    """`why` is said if a convolution comes to look at the tensor."""

    why: str


Note = Spot | Lost | None


@dataclass
class Ground:
    """The steps so far, and the tensors of the tapped ones by their place."""

    model: Model
    image: int
    steps: list[Step] = field(default_factory=list)
    taps: dict[int, int] = field(default_factory=dict)

    def size(self, spot: Spot | int) -> Pair:
        """Of the grid of a step or of a spot's step."""
        place = spot.step if isinstance(spot, Spot) else spot
        return self.steps[place].out_size if place >= 0 else grid(self.model, self.image) or (0, 0)

    def flat(self, spot: Spot, operator: Operator) -> int:
        """The step that has the spot's cells for its own, those of its frame included."""
        return spot.step if spot.frame == NO_FRAME else self.add(operator, spot.step, spot.frame)

    def add(self, operator: Operator, looks_at: int, frame: Frame = NO_FRAME, **others: object) -> int:
        """One more step, of a window of one cell unless `others` say more of it."""
        step = framed(layer_name(self.model, operator), self.size(looks_at), frame)
        return self.append(replace(step, **{"inputs": (looks_at,), **others}))  # type: ignore[arg-type]

    def append(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1
