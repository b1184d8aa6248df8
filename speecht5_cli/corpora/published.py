"""What a corpus's authors say is in it, and how that compares with what was found."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from speecht5_cli.data.writer import DataDirReport

_ROUNDING_H = 0.3  # published hours are rounded, and LibriSpeech's of dev-other and test-other seem to be swapped
_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Published:
    """Numbers of one set. None: not published, or not known for sure."""

    n_items: int
    n_speakers: int | None = None
    hours: float | None = None
    items: str = "recordings"


def compared(report: DataDirReport, published: Published | None, *, n_items: int, n_speakers: int) -> DataDirReport:
    """The report with a remark for every number that differs; `n_*` count what lies there, usable or not."""
    if published is None:
        return report
    remarks = (*_counts(published, n_items, n_speakers), *_hours(published, report))
    return replace(report, remarks=(*(f"{remark}; is all of it unpacked?" for remark in remarks), *report.remarks))


def _counts(published: Published, n_items: int, n_speakers: int) -> Iterator[str]:
    found, wanted = f"{n_items} {published.items}", str(published.n_items)
    if published.n_speakers is not None:
        found, wanted = f"{found} of {n_speakers} speakers", f"{wanted} of {published.n_speakers}"
    if n_items != published.n_items or published.n_speakers not in (None, n_speakers):
        yield f"{found} are here, {wanted} were published"


def _hours(published: Published, report: DataDirReport) -> Iterator[str]:
    if published.hours is None or report.duration_s is None:
        return
    hours = report.duration_s / 3600
    if abs(hours - published.hours) > max(_ROUNDING_H, _TOLERANCE * published.hours):
        yield f"{hours:.2f} h are usable, {published.hours:g} h were published"
