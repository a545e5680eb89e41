"""What writes a session: a recording of one car in a folder of its own."""

from host.record.appear import Appearing
from host.record.recorder import Recordings
from host.record.recording import Recording
from host.record.session import RecordError

__all__ = ["Appearing", "RecordError", "Recording", "Recordings"]
