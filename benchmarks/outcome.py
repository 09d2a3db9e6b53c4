"""Results of a scenario: figures per cell and round, and the ratios between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Ratio:
    """The ratio of a metric of two cells, `over` / `under`, in each round, and its target.

    Without `under`, the value is the metric of `over` itself, as for peak memory.
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
    """A ratio in all rounds, and whether its median meets the target."""

    ratio: Ratio
    values: list[float]

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Return whether the median meets the target, or None without a target."""
        wanted = self.ratio
        if wanted.at_least is not None:
            return self.middle >= wanted.at_least
        if wanted.at_most is not None:
            return self.middle <= wanted.at_most
        return None

    @property
    def is_proven(self) -> bool:
        """Return whether all rounds have the same result as the median."""
        single = [Judgement(self.ratio, [value]).met for value in self.values]
        return all(met == self.met for met in single)


@dataclass
class Outcome:
    """The results of a scenario. `cells` maps the name of a cell to its figures by round."""

    name: str
    title: str
    cells: dict[str, list[Figures]]
    ratios: list[Ratio]
    notes: list[str] = field(default_factory=list)

    def judgements(self) -> list[Judgement]:
        """Return the ratios that have figures."""
        found = [Judgement(ratio, self._values(ratio)) for ratio in self.ratios]
        return [judgement for judgement in found if judgement.values]

    def _values(self, ratio: Ratio) -> list[float]:
        over = [figures.get(ratio.metric) for figures in self.cells[ratio.over]]
        if ratio.under is None:
            return [value for value in over if value is not None]
        under = [figures.get(ratio.metric) for figures in self.cells[ratio.under]]
        pairs = zip(over, under, strict=True)
        return [a / b for a, b in pairs if a is not None and b]
