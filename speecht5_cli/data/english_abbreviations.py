"""What is written short in English and read in full."""

import re

_TITLES = {  # with or without a full stop, before a name
    "mr": "mister",
    "mrs": "missus",
    "ms": "miss",
    "dr": "doctor",
    "prof": "professor",
    "rev": "reverend",
    "gen": "general",
    "col": "colonel",
    "capt": "captain",
    "lt": "lieutenant",
    "sgt": "sergeant",
    "gov": "governor",
    "sen": "senator",
}
_SHORT = {  # only with a full stop
    "jr": "junior",
    "sr": "senior",
    "vs": "versus",
    "etc": "et cetera",
    "dept": "department",
    "inc": "incorporated",
    "ltd": "limited",
    "corp": "corporation",
    "co": "company",
    "ave": "avenue",
    "blvd": "boulevard",
    "rd": "road",
    "mt": "mount",
    "approx": "approximately",
    "fig": "figure",
    "vol": "volume",
    "e.g": "for example",
    "i.e": "that is",
}
CURRENCY_SCALES = {
    "k": "thousand",
    "K": "thousand",
    "m": "million",
    "mn": "million",
    "M": "million",
    "bn": "billion",
    "B": "billion",
    "tn": "trillion",
}
UNITS = {  # as written behind a number -> (of one, of several)
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "ft": ("foot", "feet"),
    "kg": ("kilogram", "kilograms"),
    "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "dB": ("decibel", "decibels"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "ms": ("millisecond", "milliseconds"),
    "sec": ("second", "seconds"),
    "min": ("minute", "minutes"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
}
SIGNS = (
    (r"\s*&\s*", " and "),
    (r"\s*@\s*", " at "),
    (r"\s*%", " percent"),
    (r"(?<=\w)\s*\+\s*(?=\w)", " plus "),
    (r"(?<=\w)\s*=\s*(?=\w)", " equals "),
    (r"\s*×\s*", " times "),
    (r"(?<=\w)[/_](?=\w)", " "),
)

_TITLE = re.compile(rf"\b({'|'.join(_TITLES)})(?:\.\s*|\s+)(?=[A-Z])", re.IGNORECASE)
_SHORTENED = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, _SHORT))})\.(?!\w)", re.IGNORECASE)
_HALF_DAY = re.compile(r"(?<![\w.])([ap])\.m\.", re.IGNORECASE)
_STREET_OR_SAINT = re.compile(r"(?P<before>[A-Z]\w*\s+|\d\w*\s+)?\b(?P<short>[Ss][Tt])\.(?P<after>\s+[A-Z])?")


def abbreviations_read(text: str) -> str:
    """The text with its abbreviations in full, in the case in which they were written.

    A full stop at the end of the text stays one.
    """
    text = _TITLE.sub(_title, text)
    text = _STREET_OR_SAINT.sub(_street_or_saint, text)
    text = re.sub(r"\b([Nn])os?\.\s?(?=\d)", r"\1umber ", text)
    text = re.sub(r"#\s?(?=\d)", "number ", text)
    text = _HALF_DAY.sub(lambda match: f"{match[1]} m" + _stop(match), text)
    return _SHORTENED.sub(lambda match: _cased(match[1], _SHORT[match[1].lower()]) + _stop(match), text)


def _title(match: re.Match[str]) -> str:
    """A title has a capital; `ms` in small letters is none."""
    if match[1].islower() and "." not in match[0]:
        return match[0]
    return f"{_cased(match[1], _TITLES[match[1].lower()])} "


def _street_or_saint(match: re.Match[str]) -> str:
    """Behind a name or a number a street, before one a saint."""
    before, after = match["before"] or "", match["after"] or ""
    word = "street" if before or not after else "saint"
    return f"{before}{_cased(match['short'], word)}{'' if after else _stop(match)}{after}"


def _stop(match: re.Match[str]) -> str:
    """The full stop that also ends the sentence."""
    rest = match.string[match.end() :]
    ends = re.match(r"""["')\]]*$""", rest) or (match[0].lower() == "etc." and re.match(r"\s+[A-Z]", rest))
    return "." if ends else ""


def _cased(short: str, full: str) -> str:
    if short.isupper() and len(short) > 1:
        return full.upper()
    return full.capitalize() if short[0].isupper() else full
