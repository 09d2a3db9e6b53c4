"""Results of a scenario: the figures of each measured case in each round, and their ratios.

A case is one measurement of a scenario, such as `ours first`: the first page, from this service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Ratio:
    """The definition of a ratio: `metric` of case `over`, divided by `metric` of case `under`.

    `at_least` or `at_most` is its target. Without `under`, the value is the metric of `over`
    itself; an example is peak memory.
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
    """The values of a ratio in all rounds, and whether their median meets the target."""

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
        """Return whether the value of each round alone gives the same result as the median."""
        single = [Judgement(self.ratio, [value]).met for value in self.values]
        return all(met == self.met for met in single)


@dataclass
class Outcome:
    """The results of a scenario.

    `cells` maps the name of a case, such as `ours first`, to its figures in each round.
    """

    name: str
    title: str
    cells: dict[str, list[Figures]]
    ratios: list[Ratio]
    notes: list[str] = field(default_factory=list)

    def judgements(self) -> list[Judgement]:
        """Return the judgement of each ratio for which figures were measured."""
        found = [Judgement(ratio, self._values(ratio)) for ratio in self.ratios]
        return [judgement for judgement in found if judgement.values]

    def _values(self, ratio: Ratio) -> list[float]:
        over = [figures.get(ratio.metric) for figures in self.cells[ratio.over]]
        if ratio.under is None:
            return [value for value in over if value is not None]
        under = [figures.get(ratio.metric) for figures in self.cells[ratio.under]]
        pairs = zip(over, under, strict=True)
        return [a / b for a, b in pairs if a is not None and b]
