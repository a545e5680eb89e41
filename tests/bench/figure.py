"""One line of the table."""

from typing import Literal

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """A measured value beside what it should be. `target` is the most allowed, unless `better` says the least."""

    name: str
    value: float
    unit: str
    target: float
    better: Literal["less", "more"] = "less"

    @property
    def ok(self) -> bool:
        return self.value <= self.target if self.better == "less" else self.value >= self.target

    def record(self) -> dict[str, object]:
        """As .bench/latest.json holds it."""
        value = round(self.value, 4)
        return {"name": self.name, "value": value, "unit": self.unit, "target": self.target, "ok": self.ok}

    def row(self) -> str:
        sign = "≤" if self.better == "less" else "≥"
        verdict = "ok" if self.ok else "MISSED"
        return f"{self.name:<66} {self.value:>9.3f} {self.unit:<4} {sign} {self.target:<6g} {verdict}"
