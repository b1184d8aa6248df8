"""Sentences of the mini corpus: four to eight English words with a German and a French translation.

A clause is drawn at random and rendered in three languages. No two sentences share their English, German or French
form, so that sets of different sentences share nothing in any language.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from speecht5_cli.corpora.mini_render import Clause, Determiner, NounPhrase, english, french, german
from speecht5_cli.corpora.mini_words import (
    NOUNS,
    OBJECT_PRONOUNS,
    PLACES,
    RECIPIENTS,
    SUBJECT_PRONOUNS,
    TENSES,
    TIMES,
    VERBS,
    Adverbial,
    Pronoun,
    Verb,
)

N_WORDS = range(4, 9)  # of the English sentence
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in three languages."""

    en: str
    de: str
    fr: str


def sentences(n: int, rng: np.random.Generator) -> list[Sentence]:
    """`n` different sentences; the first ones are the same for every `n`."""
    return list(islice(_different_sentences(rng), n))


def _different_sentences(rng: np.random.Generator) -> Iterator[Sentence]:
    seen: set[str] = set()
    while True:
        clause = draw_clause(rng)
        sentence = Sentence(english(clause), german(clause), french(clause))
        forms = {sentence.en, "de " + sentence.de, "fr " + sentence.fr}
        if len(sentence.en.split()) in N_WORDS and not forms & seen:
            seen |= forms
            yield sentence


def draw_clause(rng: np.random.Generator) -> Clause:
    """A random clause that makes sense: who may do what to whom, when and where."""
    verb = _pick(rng, VERBS)
    tense = _pick(rng, TENSES)
    negated = tense != "must" and _chance(rng, 0.2)
    subject = _draw_subject(rng, verb, negated)
    taken = {subject.noun.en} if isinstance(subject, NounPhrase) else {subject.en}
    recipient = _draw_recipient(rng, taken) if verb.recipient else None
    if isinstance(recipient, NounPhrase):
        taken.add(recipient.noun.en)
    thing = _draw_object(rng, verb, taken, negated)
    often = tense == "present" and not negated and _chance(rng, 0.2)
    time, time_first = _draw_time(rng, tense, negated, often)
    place = PLACES[_pick(rng, verb.places.split())] if not negated and _chance(rng, 0.3) else None
    place_first = place is not None and not time_first and _chance(rng, 0.4)
    return Clause(subject, verb, thing, tense, recipient, negated, often, time, time_first, place, place_first)


def _draw_subject(rng: np.random.Generator, verb: Verb, negated: bool) -> NounPhrase | Pronoun:
    if _chance(rng, 0.25):
        return _pick(rng, SUBJECT_PRONOUNS)
    # "a man does not see the dog" would be heard as "no man sees it".
    return _draw_noun_phrase(rng, verb.subjects.split(), ["the", "my"] if negated else ["the", "the", "a", "my"])


def _draw_recipient(rng: np.random.Generator, taken: set[str]) -> NounPhrase | Pronoun:
    if _chance(rng, 0.5):
        return _draw_object_pronoun(rng, taken)
    return _draw_noun_phrase(rng, _others(RECIPIENTS, taken), ["the", "my"])


def _draw_object(rng: np.random.Generator, verb: Verb, taken: set[str], negated: bool) -> NounPhrase | Pronoun:
    if verb.takes_pronoun and _chance(rng, 0.25):
        return _draw_object_pronoun(rng, taken)
    determiners: list[Determiner] = ["the", "a", "my"]
    if negated and verb.de_case == "dative":
        determiners.remove("a")  # "hilft keinem mann" is too strong for "does not help a man"
    return _draw_noun_phrase(rng, _others(verb.objects, taken), determiners)


def _draw_object_pronoun(rng: np.random.Generator, taken: set[str]) -> Pronoun:
    """`we ... us` would be reflexive."""
    return _pick(rng, [pronoun for pronoun in OBJECT_PRONOUNS if not (pronoun.en == "us" and "we" in taken)])


def _draw_noun_phrase(rng: np.random.Generator, nouns: Sequence[str], determiners: list[Determiner]) -> NounPhrase:
    noun = NOUNS[_pick(rng, nouns)]
    excluded = {"my"} if not noun.can_be_mine else set()
    if noun.de_gender == "p":
        excluded.add("a")
    determiner = _pick(rng, [one for one in determiners if one not in excluded])
    adjective = _pick(rng, noun.adjectives.split()) if _chance(rng, 0.4) else ""
    return NounPhrase(determiner, noun, adjective)


def _draw_time(rng: np.random.Generator, tense: str, negated: bool, often: bool) -> tuple[Adverbial | None, bool]:
    """A time that goes with the tense, and whether it opens the sentence (a negated clause has it there only)."""
    if often or _chance(rng, 0.4):
        return None, False
    time = _pick(rng, [time for time in TIMES if tense in time.tenses.split()])
    return time, negated or _chance(rng, 0.6)


def _others(words: str, taken: set[str]) -> list[str]:
    return [word for word in words.split() if word not in taken]


def _pick(rng: np.random.Generator, choices: Sequence[_T]) -> _T:
    return choices[int(rng.integers(len(choices)))]


def _chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)
