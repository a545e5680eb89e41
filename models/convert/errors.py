"""Why a network cannot be converted."""


class ConvertError(Exception):
    """A network cannot be converted; the message is one sentence for a person."""


class Disagreement(ConvertError):
    """The converted network computes something else than the original."""
