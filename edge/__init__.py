"""On the car: capture → pilot → mask → overlay → publish."""

import os

# One core drives the car: a product of a few thousand numbers gains nothing from threads, and their start costs both.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
