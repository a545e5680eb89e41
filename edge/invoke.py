"""One run of an interpreter, also where somebody looks on.

TFLite refuses to run while an array of its own memory is alive. A profiler or debugger that samples our threads, as
every Dask worker has one, keeps the arrays of the functions it looks at alive for a moment longer than we do.
"""

import time

from ai_edge_litert.interpreter import Interpreter

PAUSES_S = (0.001, 0.004, 0.016, 0.064)
"""How long an onlooker is waited for."""


def invoke(interpreter: Interpreter) -> None:
    """Run it. Raises RuntimeError as TFLite does: where its kernels refuse, or arrays of its memory stay alive."""
    for pause_s in PAUSES_S:
        try:
            interpreter.invoke()
        except RuntimeError as why:
            if "reference to internal data" not in str(why):
                raise
        else:
            return
        time.sleep(pause_s)
    interpreter.invoke()
