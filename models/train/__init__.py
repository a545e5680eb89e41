"""Train the bundled pilot, or one as a beginner would: `python -m models train`.

    recipe ─┬─ frames: random worlds, or one driver's laps of one course ─┐
            └─ network: the tutorial's, with or without the sky cut off ──┴─▶ fit ─▶ pilot.tflite

What the recipes differ in, and what comes of it, tells docs/horizon.md.
"""

from models.train.command import main

__all__ = ["main"]
