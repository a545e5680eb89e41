"""The horizon study: `python -m models study -o FOLDER`, told in docs/horizon.md.

    train by each recipe ─▶ change one thing about the picture, measure the steering ─▶ study.md, study.json, pictures

Is the skyline used as a feature, is one line preferred, and what takes that away?
"""

from models.study.command import main

__all__ = ["main"]
