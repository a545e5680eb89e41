"""The car's own state: temperature, throttling, memory. None where the machine cannot tell."""

import os
import resource
import sys
from pathlib import Path

from wire import Health

THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""Raspberry Pi firmware: the bits that `vcgencmd get_throttled` prints, in hexadecimal."""


def read_health(thermal: Path = THERMAL, throttled: Path = THROTTLED) -> Health:
    """What can be read at once; takes some microseconds, so once a second is plenty."""
    milli = _number(thermal, 10)
    flags = _number(throttled, 16)
    return Health(
        temperature_c=milli / 1000 if milli is not None else None,
        throttled=flags if flags is not None and flags >= 0 else None,
        memory_bytes=_resident_bytes(),
    )


def _number(path: Path, base: int) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"), base)
    except (OSError, ValueError):
        return None


def _resident_bytes() -> int:
    """Resident memory now on Linux; its peak elsewhere, where the kernel offers no cheaper answer."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
