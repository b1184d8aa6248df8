"""Reading numbers aloud in English: `$3.5 million in 1984` -> three point five million dollars in nineteen eighty-four.

One pattern finds a number with what belongs to it (currency, scale, per cent, ordinal or plural ending), one function
reads it. What is glued to letters (mp3, B2B) is a name and stays.
"""

import re

_NUMBER = re.compile(
    r"""(?<![^\W_])                                  # not inside a word
    (?P<currency>[$£€])?
    (?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)
    (?P<fraction>\.[0-9]+)?
    (?:\ ?(?P<scale>hundred|thousand|million|billion|trillion)\b)?
    (?:(?P<ordinal>st|nd|rd|th)|(?P<plural>'?s)|(?P<percent>\ ?%))?
    (?![^\W_])""",
    re.VERBOSE | re.IGNORECASE,
)
_CURRENCIES = {"$": ("dollar", "cent"), "£": ("pound", "pence"), "€": ("euro", "cent")}
_LONGEST = 15  # digits; a longer row is an identifier, read digit by digit


def numbers_read(text: str) -> str:
    """The text with its numbers as words: cardinals, decimals, ordinals, years, decades, amounts, per cent."""
    return _NUMBER.sub(_read, text)


def _read(match: re.Match[str]) -> str:
    whole, fraction, scale = match["whole"], match["fraction"] or "", match["scale"] or ""
    if match["currency"]:
        words = _amount(match["currency"], whole, fraction, scale)
    elif match["ordinal"] and not fraction and not scale:
        words = _words(whole, "ordinal")
    else:
        words = " ".join(filter(None, (_cardinal_or_year(whole, fraction, scale), scale)))
    if match["plural"]:
        words = f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"
    return f"{words} percent" if match["percent"] else words


def _cardinal_or_year(whole: str, fraction: str, scale: str) -> str:
    """Four digits without a comma are read as a year where people do so: 1100 to 1999 and 2010 to 2099."""
    is_year = (
        len(whole) == 4 and not fraction and not scale and (1100 <= int(whole) < 2000 or 2010 <= int(whole) < 2100)
    )
    return _words(whole, "year") if is_year else _words(whole) + _fraction(fraction)


def _amount(sign: str, whole: str, fraction: str, scale: str) -> str:
    """`$5.50` -> five dollars and fifty cents; `$3.5 million` -> three point five million dollars."""
    unit, part = _CURRENCIES[sign]
    if scale or len(fraction) != len(".00"):
        words = " ".join(filter(None, (_words(whole) + _fraction(fraction), scale)))
        return f"{words} {unit if words == 'one' else unit + 's'}"
    n_parts = int(fraction[1:])
    units = "" if whole == "0" and n_parts else _amount(sign, whole, "", "")
    parts = f"{_words(str(n_parts))} {part if n_parts == 1 or part == 'pence' else part + 's'}" if n_parts else ""
    return " and ".join(filter(None, (units, parts)))


def _fraction(fraction: str) -> str:
    """`.05` -> ` point zero five`: the digits after the point are read one by one."""
    return f" point {_digits(fraction[1:])}" if fraction else ""


def _words(whole: str, kind: str = "cardinal") -> str:
    from num2words import num2words

    digits = whole.replace(",", "")
    if len(digits) > _LONGEST or (digits[0] == "0" and len(digits) > 1):
        return _digits(digits)
    return num2words(int(digits), lang="en", to=kind).replace(",", "")


def _digits(digits: str) -> str:
    return " ".join(_words(digit) for digit in digits)
