"""Frames to check and calibrate with: of a tub, of a folder of pictures, or of the simulated track."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.capture.images import ImagesSource
from edge.capture.source import SourceError
from edge.capture.stills import Stills
from edge.capture.track.simulator import TrackSource
from edge.capture.tub import TubSource, is_tub
from models.convert.errors import ConvertError

Bytes = NDArray[np.uint8]

_STEP_M = 0.35
"""Between two places on the simulated track; a step that shows all of it in some tens of frames."""


def of(folder: Path | None, count: int, part: int = 0) -> Iterator[Bytes]:
    """At most `count` frames, uint8 (H, W, 3), spread over all of the folder; without one, of the simulated track.

    part: another number gives other frames, as long as the folder has enough. Raises ConvertError.
    """
    if folder is None:
        yield from _simulated(count, part)
        return
    try:
        yield from _recorded(folder, count, part)
    except (SourceError, OSError) as why:
        reason = why.strerror if isinstance(why, OSError) else why
        raise ConvertError(f"frames cannot be taken from {folder}: {reason}") from why


def _recorded(folder: Path, count: int, part: int) -> Iterator[Bytes]:
    source: Stills = (TubSource if is_tub(folder) else ImagesSource)(folder, realtime=False)
    step = max(1, len(source.listing().stills) // count)
    with source:
        number = taken = 0
        while taken < count and (frame := source.read()):
            if number % step == part % step:
                taken += 1
                yield frame.rgb
            number += 1


def _simulated(count: int, part: int) -> Iterator[Bytes]:
    with TrackSource("demo", realtime=False) as track:
        for number in range(count):
            track.place((number + part / 2) * _STEP_M)
            yield track.read().rgb
