"""Metrics: counters, gauges and histograms by label values, and their text for Prometheus. Pure, and cheap to count.

Counting is a dictionary entry by a tuple of label values; text is made only when somebody asks. Whatever can be read
off when asked (sizes, seats, queue lengths) is a `Reading`: it costs nothing in between.
https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Labels = tuple[str, ...]
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Counter:
    """Goes up. `values` maps label values, in the order of `names`, to numbers."""

    kind = "counter"
    __slots__ = ("help", "name", "names", "values")

    def __init__(self, name: str, help_: str, names: Sequence[str] = ()) -> None:
        self.name = name
        self.help = help_
        self.names = tuple(names)
        self.values: dict[Labels, float] = {}

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Count."""
        values = self.values
        values[labels] = values.get(labels, 0) + amount

    def samples(self) -> Iterator[str]:
        """The lines after # HELP and # TYPE."""
        for labels, value in sorted(self.values.items()):
            yield f"{self.name}{_pairs(self.names, labels)} {number(value)}"


class Gauge(Counter):
    """Goes up and down."""

    kind = "gauge"
    __slots__ = ()

    def set(self, labels: Labels, value: float) -> None:
        """Replace the value."""
        self.values[labels] = value


class Reading(Gauge):
    """A gauge (or, with `kind`, a counter) that is read when asked for: `read()` gives its values."""

    __slots__ = ("_kind", "_read")

    def __init__(
        self, name: str, help_: str, names: Sequence[str], read: Callable[[], Mapping[Labels, float]],
        kind: str = "gauge",
    ) -> None:  # fmt: skip
        super().__init__(name, help_, names)
        self._read = read
        self._kind = kind

    @property
    def kind(self) -> str:  # type: ignore[override]
        """counter or gauge."""
        return self._kind

    def samples(self) -> Iterator[str]:
        """The lines after # HELP and # TYPE."""
        self.values = dict(self._read())
        return super().samples()


class Histogram:
    """How often values were at most so large. `buckets` are the upper bounds, ascending, without infinity."""

    kind = "histogram"
    __slots__ = ("_buckets", "_series", "help", "name", "names")

    def __init__(self, name: str, help_: str, names: Sequence[str], buckets: Sequence[float]) -> None:
        self.name = name
        self.help = help_
        self.names = tuple(names)
        self._buckets = tuple(buckets)
        self._series: dict[Labels, list[float]] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Count one value."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = [0.0] * (len(self._buckets) + 2)
        series[bisect_left(self._buckets, value)] += 1
        series[-1] += value

    def merge(self, labels: Labels, counts: Sequence[float], total: float) -> None:
        """Add values that somebody else has counted: per bucket (and beyond the last), and their sum."""
        series = self._series.setdefault(labels, [0.0] * (len(self._buckets) + 2))
        for at, count in enumerate(counts):
            series[at] += count
        series[-1] += total

    def samples(self) -> Iterator[str]:
        """The lines after # HELP and # TYPE: cumulative buckets, sum and count."""
        names = (*self.names, "le")
        for labels, series in sorted(self._series.items()):
            total = 0.0
            for bound, count in zip((*map(number, self._buckets), "+Inf"), series, strict=False):
                total += count
                yield f"{self.name}_bucket{_pairs(names, (*labels, bound))} {number(total)}"
            yield f"{self.name}_sum{_pairs(self.names, labels)} {number(series[-1])}"
            yield f"{self.name}_count{_pairs(self.names, labels)} {number(total)}"


Family = Counter | Histogram


def render(families: Iterable[Family]) -> str:
    """The text that a scrape gets, families by name; one without samples is left out."""
    lines: list[str] = []
    for family in sorted(families, key=lambda family: family.name):
        samples = list(family.samples())
        if samples:
            lines += [f"# HELP {family.name} {_help(family.help)}", f"# TYPE {family.name} {family.kind}", *samples]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """A number as Prometheus writes it."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _pairs(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{n}="{v.translate(_ESCAPES)}"' for n, v in zip(names, values, strict=True)) + "}"


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
