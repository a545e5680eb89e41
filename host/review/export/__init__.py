"""Sessions taken elsewhere: as MP4, GIF, CSV, Donkeycar tub or MCAP, from the page and the command line.

routes.py, command.py ──▶ formats.py ──▶ clip.py  gif.py  table.py  tub.py  tape.py ──▶ a file in place.py
                                         └ source.py: session, part of it     film.py: its video, frame by frame
"""

from host.review.export.routes import Exports

__all__ = ["Exports"]
