"""Which parts of a corpus are wanted."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from speecht5_cli.errors import UsageError


def chosen_parts(wanted: Iterable[str] | None, known: Sequence[str]) -> list[str]:
    """The wanted parts in the order of `known`; all of them when nothing special is wanted.

    Raises UsageError that lists the known parts when one is unknown.
    """
    if wanted is None:
        return list(known)
    wanted = set(wanted)
    for name in sorted(wanted - set(known)):
        near = get_close_matches(name, known, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"no part '{name}'; {hint}known: {', '.join(known)}")
    return [name for name in known if name in wanted]
