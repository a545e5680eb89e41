"""A session's video, opened to be read packet by packet. Needs PyAV."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer

from host.record.storage import open_to_read


@contextlib.contextmanager
def open_video(video: Path) -> Iterator[InputContainer]:
    """As the one format that is recorded: files of others may name addresses, which would be followed.

    Raises av.FFmpegError for what cannot be read as such or shows nothing, OSError where the disk does not give it.
    """
    with open_to_read(video) as file:
        if not os.fstat(file.fileno()).st_size:
            raise _nothing(video)
        with av.open(file, "r", format="mp4") as source:
            if not source.streams.video:
                raise _nothing(video)
            yield source


def _nothing(video: Path) -> av.FFmpegError:
    return av.InvalidDataError(errno.EINVAL, "there is no picture in it", str(video))
