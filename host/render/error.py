"""What can go wrong when films are made, all of it one sentence for a person:

RenderError
├── ReelError    a source cannot be made a film of
├── PlanError    films cannot be made as asked
├── CrewError    nobody is there, or nobody is left, to render
├── StoreError   the disk does not take what was rendered
└── JoinError    pieces do not make a film
"""


class RenderError(Exception):
    """Base of them all."""
