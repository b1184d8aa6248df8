"""Reading English aloud: `Dr. Lee paid $3.50 at 10:05 on 3/4/2021` -> words alone.

What can be read in two ways is read as Americans do: 3/4/2021 is the fourth of March. Plain numbers, amounts, ordinals
and years are data/numerals'; this file reads what surrounds them.
"""

import re
import unicodedata
from collections.abc import Callable

from speecht5_cli.data.english_abbreviations import CURRENCY_SCALES, SIGNS, UNITS, abbreviations_read
from speecht5_cli.data.numerals import numbers_read

Step = Callable[[str], str]

_MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)}|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:[snrt][tdh])?"  # 1, 1st, 2nd, 3rd, 4th
_HALF_DAY = r"(?P<half>[ap])\s?m\b"  # am, or `a m`, which a.m. has become
_TENS = re.compile(r"(?<=ty)-(?=(?:one|two|three|four|five|six|seven|eight|nine|first|second|third|fifth|\w+th)\b)")


def read_english(text: str) -> str:
    """The text in words. Blanks are not folded."""
    for step in _STEPS:
        text = step(text)
    return text


def _plain_characters(text: str) -> str:
    """One kind of quotes and dashes; ligatures, fractions in one sign and the like as plain characters."""
    text = re.sub(r"[\u2018\u2019\u02bc\u00b4`]", "'", text)
    text = re.sub(r"[\u201c\u201d\u201e\u00ab\u00bb]", '"', text)
    text = "".join(f" {char}" if "<fraction>" in unicodedata.decomposition(char) else char for char in text)
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/").replace("\u2212", "-")
    text = re.sub(r"(?<=\d)\s?[\u2013\u2014]\s?(?=\d)", "\u2013", text)  # of a range
    return re.sub(r"\s*[\u2014\u2015]\s*|\s+\u2013\s+", ", ", text)


def _dates(text: str) -> str:
    year = r"(?:,?\s+(?P<year>\d{4}))?"
    text = re.sub(r"(?<![\w/.-])(?P<year>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?![\w/-])", _numeric_date, text)
    text = re.sub(r"(?<![\w/.-])(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<year>\d{4}|\d\d)(?![\w/-])", _numeric_date, text)
    text = re.sub(rf"\b{_MONTH}\s+{_DAY}{year}(?![\w:/%-]|[.,]\d)", _month_first, text)
    return re.sub(rf"\b(?P<the>[Tt]he\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?![\w-])", _day_first, text)


def _numeric_date(match: re.Match[str]) -> str:
    """The month stands first, unless that cannot be."""
    month, day, year = int(match["m"]), int(match["d"]), int(match["year"])
    if month > 12 and len(match["year"]) == 4 and match.string[match.start("year") - 1 : match.start("year")] == "/":
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    if year < 100:
        year += 2000 if year < 50 else 1900
    return f"{_MONTHS[month - 1]} {_ordinal(day)}, {year}"


def _month_first(match: re.Match[str]) -> str:
    year = f", {match['year']}" if match["year"] else ""
    return f"{_full_month(match['month'])} {_ordinal(int(match['day']))}{year}"


def _day_first(match: re.Match[str]) -> str:
    return f"{match['the'] or 'the '}{_ordinal(int(match['day']))} of {_full_month(match['month'])}"


def _full_month(name: str) -> str:
    return next(month for month in _MONTHS if month.startswith(name[:3]))


def _times(text: str) -> str:
    clock = r"(?<![\w:.])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
    text = re.sub(rf"{clock}(?:\s?{_HALF_DAY})?", _time, text, flags=re.IGNORECASE)
    return re.sub(
        rf"(?<![\w.:])(?P<hour>1[0-2]|[1-9])\s?{_HALF_DAY}", r"\g<hour> \g<half> m", text, flags=re.IGNORECASE
    )


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"]), int(match["minute"])
    if minute:
        minutes = f" {'oh ' * (minute < 10)}{minute}"
    elif match["half"] or match["second"]:
        minutes = ""
    else:
        minutes = " o'clock" if 1 <= hour <= 12 else " hundred"
    seconds = f" and {int(match['second'])} seconds" if match["second"] else ""
    half = f" {match['half'].lower()} m" if match["half"] else ""
    return f"{hour or 'zero'}{minutes}{seconds}{half}"


def _amounts(text: str) -> str:
    """What numerals cannot read of money: `US$`, yen behind their sign, `$5m`."""
    text = re.sub(r"\bUS\$", "$", text)
    text = re.sub(r"¥\s?(\d[\d,]*(?:\.\d+)?)", r"\1 yen", text)
    scales = "|".join(CURRENCY_SCALES)
    return re.sub(
        rf"([$£€]\d[\d,]*(?:\.\d+)?)\s?({scales})\b", lambda match: f"{match[1]} {CURRENCY_SCALES[match[2]]}", text
    )


def _units(text: str) -> str:
    names = "|".join(re.escape(name) for name in sorted(UNITS, key=len, reverse=True))
    return re.sub(rf"(?<![\w.])(\d[\d,]*(?:\.\d+)?)\s?({names})(?![\w/²³])", _unit, text)


def _unit(match: re.Match[str]) -> str:
    one, many = UNITS[match[2]]
    return f"{match[1]} {one if match[1] == '1' else many}"


def _fractions(text: str) -> str:
    return re.sub(r"(?<![\w/.,])(?:(\d+)\s+)?(\d{1,3})/(\d{1,3})(?![\w/]|[.,]\d)", _fraction, text)


def _fraction(match: re.Match[str]) -> str:
    """Halves, quarters and so on, where the number below the line is the larger one; else both numbers."""
    above, below = int(match[2]), int(match[3])
    whole = f"{match[1]} and " if match[1] else ""
    if not 0 < above < below:
        return f"{match[1] or ''} {above} {below}"
    one = {2: "half", 4: "quarter"}.get(below) or _ordinal(below)
    many = "halves" if below == 2 else f"{one}s"
    return f"{whole}{above} {one if above == 1 else many}"


def _rows_of_numbers(text: str) -> str:
    """Versions, telephone numbers, ranges, numbers below zero, and numbers that a hyphen joins."""
    text = re.sub(
        r"(?<![\w-])(?:\d{3}-)?\d{3}-\d{4}(?![\w-])", lambda match: " ".join(re.findall(r"\d", match[0])), text
    )
    text = re.sub(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])", lambda match: match[0].replace(".", " point "), text)
    text = re.sub(r"(?<=\d)\u2013(?=[$£€]?\d)", " to ", text)
    text = re.sub(r"(?<![\w-])(\d+)-(\d+)(?![\w-])", _range, text)
    text = re.sub(r"(?:(?<=^)|(?<=[\s(]))-(?=\d)", "minus ", text)
    return re.sub(r"(?<=\d)-(?=\d)", " ", text)


def _range(match: re.Match[str]) -> str:
    rises = len(match[1]) == len(match[2]) and match[1] < match[2]
    return f"{match[1]} to {match[2]}" if rises else f"{match[1]} {match[2]}"


def _signs(text: str) -> str:
    for pattern, words in SIGNS:
        text = re.sub(pattern, words, text)
    return text


def _digits_in_names(text: str) -> str:
    """`mp3` -> mp three: what is left after all numbers are read."""
    text = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", text)
    return re.sub(r"\d+", lambda match: _name_part(match[0]), text)


def _name_part(digits: str) -> str:
    short = len(digits) <= 2 and not digits.startswith("0")
    return numbers_read(digits) if short else " ".join(map(numbers_read, digits))


def _ordinal(number: int) -> str:
    from num2words import num2words

    return num2words(number, to="ordinal").replace(",", "")


_STEPS: tuple[Step, ...] = (
    _plain_characters,
    _dates,
    abbreviations_read,
    _times,
    _amounts,
    _units,
    _fractions,
    _rows_of_numbers,
    lambda text: re.sub(r"'(?=\d0s\b)", "", text),  # the '90s
    numbers_read,
    _signs,
    _digits_in_names,
    lambda text: _TENS.sub(" ", text),  # twenty-one: the hyphen is not heard
)
