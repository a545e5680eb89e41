"""What writes a session: a recording of one car in a folder of its own."""

from host.record.recorder import Recording, Recordings
from host.record.session import RecordError

__all__ = ["RecordError", "Recording", "Recordings"]
