"""Figures, measured as the car's process computes: on one thread, which has to be said before numpy is imported."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
