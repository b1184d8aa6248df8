"""One clause in three languages: the same parts, put in each language's order and agreement.

German: the finite verb stands second whatever comes first; infinitives, participles and separable particles stand
last; pronouns come before nouns, the receiver before what is given, the indefinite last. French: object pronouns and
the negation surround the verb, colours follow their noun, vowels elide.
"""

from dataclasses import dataclass
from typing import Literal

from speecht5_cli.corpora.mini_words import (
    ADJECTIVES,
    AUXILIARIES,
    DE_PERFECT,
    FR_PERFECT,
    Adverbial,
    Case,
    Noun,
    Person,
    Pronoun,
    Verb,
)

Determiner = Literal["the", "a", "my"]

_DE_THE: dict[Case, dict[str, str]] = {
    "nominative": {"m": "der", "f": "die", "n": "das", "p": "die"},
    "accusative": {"m": "den", "f": "die", "n": "das", "p": "die"},
    "dative": {"m": "dem", "f": "der", "n": "dem", "p": "den"},
}
_DE_EIN_ENDING: dict[Case, dict[str, str]] = {  # of ein, kein, mein
    "nominative": {"m": "", "f": "e", "n": "", "p": "e"},
    "accusative": {"m": "en", "f": "e", "n": "", "p": "e"},
    "dative": {"m": "em", "f": "er", "n": "em", "p": "en"},
}
_DE_WEAK_E = {("nominative", "m"), ("nominative", "f"), ("nominative", "n"), ("accusative", "f"), ("accusative", "n")}
_DE_STRONG = {("nominative", "m"): "er", ("nominative", "n"): "es", ("accusative", "n"): "es"}  # after ein, kein, mein
_FR_VOWELS = "aeiouhâéèêîôû"  # every h of the vocabulary is silent


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with what stands in front of it."""

    determiner: Determiner
    noun: Noun
    adjective: str = ""  # English

    @property
    def person(self) -> Person:
        """The form of the verb that it asks for."""
        return "3pl" if self.noun.de_gender == "p" else "3sg"

    @property
    def indefinite(self) -> bool:
        """Whether its article is the indefinite one."""
        return self.determiner == "a"


@dataclass(frozen=True, slots=True)
class Clause:
    """What is said, in no language yet. At most one of `time_first` and `place_first` is true."""

    subject: NounPhrase | Pronoun
    verb: Verb
    object: NounPhrase | Pronoun
    tense: str  # one of TENSES
    recipient: NounPhrase | Pronoun | None = None
    negated: bool = False
    often: bool = False  # only in the present
    time: Adverbial | None = None
    time_first: bool = False
    place: Adverbial | None = None
    place_first: bool = False


# ---- English -------------------------------------------------------------------------------------------------------


def english(clause: Clause) -> str:
    """In the garden | the boy | often | gives | her | a flower | today."""
    time, place = (adverbial.en if adverbial else "" for adverbial in (clause.time, clause.place))
    return _sentence(
        time if clause.time_first else "",
        place if clause.place_first else "",
        _en_phrase(clause.subject),
        "often" if clause.often else "",
        _en_verb(clause),
        _en_phrase(clause.recipient) if clause.recipient else "",
        _en_phrase(clause.object),
        "" if clause.place_first else place,
        "" if clause.time_first else time,
    )


def _en_verb(clause: Clause) -> str:
    base, third, past = clause.verb.en
    singular = clause.subject.person == "3sg"
    if clause.tense in AUXILIARIES:
        auxiliary = AUXILIARIES[clause.tense]
        return f"{auxiliary.en_negated if clause.negated else auxiliary.en} {base}"
    if clause.tense == "past":
        return f"did not {base}" if clause.negated else past
    if clause.negated:
        return f"{'does' if singular else 'do'} not {base}"
    return third if singular else base


def _en_phrase(phrase: NounPhrase | Pronoun) -> str:
    if isinstance(phrase, Pronoun):
        return phrase.en
    rest = _sentence(phrase.adjective, phrase.noun.en)
    if phrase.indefinite:
        return f"{'an' if rest[0] in 'aeiou' else 'a'} {rest}"
    return f"{phrase.determiner} {rest}"


# ---- German --------------------------------------------------------------------------------------------------------


def german(clause: Clause) -> str:
    """Im garten | gibt | der junge | ihr | eine blume."""
    time, place = (adverbial.de if adverbial else "" for adverbial in (clause.time, clause.place))
    subject = _de_phrase(clause.subject, "nominative")
    first = time if clause.time_first else place if clause.place_first else subject
    finite, last = _de_verb(clause)
    return _sentence(
        first,
        finite,
        subject if first != subject else "",
        _de_objects(clause, pronouns=True),
        "" if clause.time_first else time,
        "oft" if clause.often else "",
        _de_objects(clause, pronouns=False, indefinite=False),
        "nicht" if clause.negated and not _indefinite(clause.object) else "",
        "" if clause.place_first else place,
        _de_objects(clause, pronouns=False, indefinite=True),
        last,
    )


def _de_verb(clause: Clause) -> tuple[str, str]:
    """The finite verb in the second place, and what stands at the end."""
    verb, person = clause.verb, clause.subject.person
    infinitive, third, participle = verb.de
    if clause.tense in AUXILIARIES:
        return AUXILIARIES[clause.tense].de[person], infinitive
    if clause.tense == "past":
        return DE_PERFECT[verb.de_auxiliary][person], participle
    return third if person == "3sg" else infinitive.removeprefix(verb.de_particle), verb.de_particle


def _de_objects(clause: Clause, *, pronouns: bool, indefinite: bool = False) -> str:
    """Receiver before thing, of those that are pronouns, or that are nouns and (in)definite.

    A receiver that is a noun stands with the definite ones: only the thing itself goes to the end.
    """
    chosen = []
    if clause.recipient and isinstance(clause.recipient, Pronoun) == pronouns and not indefinite:
        chosen.append(_de_phrase(clause.recipient, "dative"))
    if isinstance(clause.object, Pronoun) == pronouns and _indefinite(clause.object) == indefinite:
        chosen.append(_de_phrase(clause.object, clause.verb.de_case, negated=clause.negated))
    return " ".join(chosen)


def _de_phrase(phrase: NounPhrase | Pronoun, case: Case, *, negated: bool = False) -> str:
    if isinstance(phrase, Pronoun):
        return phrase.de_dative if case == "dative" else phrase.de
    noun = phrase.noun
    form = {"nominative": noun.de, "accusative": noun.de_accusative, "dative": noun.de_dative}[case] or noun.de
    if phrase.determiner == "the":
        determiner = _DE_THE[case][noun.de_gender]
    else:
        stem = "mein" if phrase.determiner == "my" else "kein" if negated else "ein"
        determiner = stem + _DE_EIN_ENDING[case][noun.de_gender]
    if not phrase.adjective:
        return f"{determiner} {form}"
    return f"{determiner} {ADJECTIVES[phrase.adjective].de}{_de_ending(phrase, case)} {form}"


def _de_ending(phrase: NounPhrase, case: Case) -> str:
    key = (case, phrase.noun.de_gender)
    if phrase.determiner != "the" and key in _DE_STRONG:
        return _DE_STRONG[key]
    return "e" if key in _DE_WEAK_E else "en"


# ---- French --------------------------------------------------------------------------------------------------------


def french(clause: Clause) -> str:
    """Dans le jardin | le garçon | lui donne | une fleur."""
    time, place = (adverbial.fr if adverbial else "" for adverbial in (clause.time, clause.place))
    sentence = _sentence(
        time if clause.time_first else "",
        place if clause.place_first else "",
        _fr_phrase(clause.subject),
        _fr_verb(clause),
        "" if isinstance(clause.object, Pronoun) else _fr_phrase(clause.object, negated=clause.negated),
        _fr_recipient(clause.recipient),
        "" if clause.place_first else place,
        "" if clause.time_first else time,
    )
    return _elided(sentence)


def _fr_verb(clause: Clause) -> str:
    """(ne) (clitic) finite (pas) (souvent) (clitic) infinitive or participle."""
    infinitive, third, first_plural, third_plural, participle = clause.verb.fr
    person = clause.subject.person
    clitic = _fr_clitic(clause)
    if clause.tense in AUXILIARIES:
        finite, rest = AUXILIARIES[clause.tense].fr[person], _sentence(clitic, infinitive)
        clitic = ""
    elif clause.tense == "past":
        agreement = clause.object.fr_agreement if isinstance(clause.object, Pronoun) else ""
        finite, rest = FR_PERFECT[person], participle + agreement
    else:
        finite, rest = {"3sg": third, "1pl": first_plural, "3pl": third_plural}[person], ""
    ne, pas = ("ne", "pas") if clause.negated else ("", "")
    return _sentence(ne, clitic, finite, pas, "souvent" if clause.often else "", rest)


def _fr_clitic(clause: Clause) -> str:
    if isinstance(clause.object, Pronoun):
        return clause.object.fr
    return clause.recipient.fr_dative if isinstance(clause.recipient, Pronoun) else ""


def _fr_recipient(recipient: NounPhrase | Pronoun | None) -> str:
    if recipient is None or isinstance(recipient, Pronoun):
        return ""
    phrase = f"à {_elided(_fr_phrase(recipient))}"  # elide first: "à l'homme" does not contract
    for apart, contracted in (("à le ", "au "), ("à les ", "aux ")):
        phrase = phrase.replace(apart, contracted)
    return phrase


def _fr_phrase(phrase: NounPhrase | Pronoun, *, negated: bool = False) -> str:
    if isinstance(phrase, Pronoun):
        return phrase.fr
    noun = phrase.noun
    before, after = _fr_adjective(phrase)
    rest = _sentence(before, noun.fr, after)
    if phrase.indefinite and negated:
        return f"de {rest}"
    return f"{_fr_determiner(phrase, rest)} {rest}"


def _fr_determiner(phrase: NounPhrase, rest: str) -> str:
    gender = phrase.noun.fr_gender
    if phrase.determiner == "the":
        return {"m": "le", "f": "la", "p": "les"}[gender]
    if phrase.determiner == "a":
        return {"m": "un", "f": "une"}[gender]
    if gender == "f" and rest[0] in _FR_VOWELS:
        return "mon"
    return {"m": "mon", "f": "ma", "p": "mes"}[gender]


def _fr_adjective(phrase: NounPhrase) -> tuple[str, str]:
    """The adjective before the noun, and after it; one of them is empty."""
    if not phrase.adjective:
        return "", ""
    adjective, noun = ADJECTIVES[phrase.adjective], phrase.noun
    if noun.fr_gender == "f":
        form = adjective.fr_f
    elif noun.fr_gender == "p":
        form = adjective.fr_m + "s"
    elif adjective.fr_precedes and noun.fr[0] in _FR_VOWELS:
        form = adjective.fr_m_vowel
    else:
        form = adjective.fr_m
    return (form, "") if adjective.fr_precedes else ("", form)


def _elided(sentence: str) -> str:
    """le, la, ne and de lose their vowel before another one."""
    words: list[str] = []
    for word in sentence.split():
        if words and words[-1] in ("le", "la", "ne", "de") and word[0] in _FR_VOWELS:
            word = f"{words.pop()[:-1]}'{word}"
        words.append(word)
    return " ".join(words)


# ---- all of them ---------------------------------------------------------------------------------------------------


def _indefinite(phrase: NounPhrase | Pronoun) -> bool:
    return isinstance(phrase, NounPhrase) and phrase.indefinite


def _sentence(*parts: str) -> str:
    return " ".join(part for part in parts if part)
