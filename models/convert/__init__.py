"""Conversion of trained pilots to .tflite. TensorFlow is needed here and for training only.

command.py     what the user types, and the order of the work
sources.py     h5, .keras, SavedModel, weights + layer list ─▶ Subject
  describe.py dialect.py layerlist.py    ─▶ network.py: layers as plain data
  hdf5.py                                ─▶ their weights
  keras_model.py savedmodel.py           ─▶ subject.py: what TensorFlow can run
flat.py        Subject ─▶ bytes of a .tflite file
frames.py feed.py compare.py             ─▶ does it compute the same?
"""

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """`python -m models convert`; see command.py, which is imported only when it is needed."""
    from models.convert.command import main as command

    return command(argv)
