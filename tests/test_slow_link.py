"""A link that carries 40 % of the stream: frames are skipped, none queues. How old they get, `make bench` tells."""

from collections.abc import Callable, Sequence

import pytest

from tests import namespaces
from tests.bench import link
from tests.bench.client import Seen
from tests.namespaces import Cable, cable

FPS = 30
LINK_BYTES_PER_S = 60_000
"""About 40 % of FPS frames of 5 kB, what the simulated track weighs at 160×120."""

pytestmark = pytest.mark.skipif(bool(namespaces.why_not()), reason=namespaces.why_not())


@pytest.mark.parametrize("watch", [link.slow_car, link.slow_browser], ids=["car to wall", "wall to browser"])
def test_frames_are_skipped_and_not_queued(watch: Callable[[Cable, float, Sequence[str]], list[Seen]]) -> None:
    with cable(LINK_BYTES_PER_S) as ends:
        seen = watch(ends, 4, ("--fps", str(FPS)))
    assert len(seen) > 10
    shown, passed = len(seen) - 1, seen[-1].seq - seen[0].seq
    assert passed > 1.5 * shown, "a link this slow cannot carry every frame"
    # With k frames queued the client would be k times its own pace behind. The protocol allows two under way.
    pace_ns = (seen[-1].at_ns - seen[0].at_ns) / shown
    late = [picture for picture in seen if picture.age_ns - picture.clock_error_ns > 6 * pace_ns]
    assert len(late) < len(seen) / 10
