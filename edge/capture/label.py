"""What a source is called on the pit wall."""

MAX_LENGTH = 64
"""As wire.Label allows."""


def label(kind: str, what: str) -> str:
    """`kind what`, cut to what a message may carry: file names need be neither short nor Unicode."""
    return f"{kind} {what}".encode("utf-8", "replace").decode()[:MAX_LENGTH].rstrip()
