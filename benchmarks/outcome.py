"""What a scenario hands back: figures per cell and round, and the ratios to be read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Ratio:
    """One cell's figure over another's, round by round, and what it should be.

    Without `under` it is the figure itself, for what is not a ratio (memory).
    """

    title: str
    metric: str
    over: str
    under: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    stretch: float | None = None


@dataclass(frozen=True)
class Judgement:
    """A ratio's median and range over the rounds, and whether the median is as it should be."""

    ratio: Ratio
    values: list[float]

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Tell whether the target is met, or None where there is none."""
        wanted = self.ratio
        if wanted.at_least is not None:
            return self.middle >= wanted.at_least
        if wanted.at_most is not None:
            return self.middle <= wanted.at_most
        return None

    @property
    def is_proven(self) -> bool:
        """Tell whether every single round says the same as the median."""
        single = [Judgement(self.ratio, [value]).met for value in self.values]
        return all(met == self.met for met in single)


@dataclass
class Outcome:
    """A scenario that was run: `cells` maps a cell's name to its figures, round by round."""

    name: str
    title: str
    cells: dict[str, list[Figures]]
    ratios: list[Ratio]
    notes: list[str] = field(default_factory=list)

    def judgements(self) -> list[Judgement]:
        """Return those ratios for which there are figures."""
        found = [Judgement(ratio, self._values(ratio)) for ratio in self.ratios]
        return [judgement for judgement in found if judgement.values]

    def _values(self, ratio: Ratio) -> list[float]:
        over = [figures.get(ratio.metric) for figures in self.cells[ratio.over]]
        if ratio.under is None:
            return [value for value in over if value is not None]
        under = [figures.get(ratio.metric) for figures in self.cells[ratio.under]]
        pairs = zip(over, under, strict=True)
        return [a / b for a, b in pairs if a is not None and b]
