"""The mini corpus's sentences: hand-checked translations, and rules that every sentence keeps."""

import re

import numpy as np
import pytest

from speecht5_cli.corpora.mini_grammar import N_WORDS, Sentence, sentences
from speecht5_cli.corpora.mini_render import Clause, NounPhrase, english, french, german
from speecht5_cli.corpora.mini_words import (
    ADJECTIVES,
    AUXILIARIES,
    NOUNS,
    OBJECT_PRONOUNS,
    PLACES,
    SUBJECT_PRONOUNS,
    TIMES,
    VERBS,
)

VERB = {verb.en[0]: verb for verb in VERBS}
TIME = {time.en: time for time in TIMES}
PRONOUN = {pronoun.en: pronoun for pronoun in (*SUBJECT_PRONOUNS, *OBJECT_PRONOUNS)}


def the(noun: str, adjective: str = "") -> NounPhrase:
    return NounPhrase("the", NOUNS[noun], adjective)


def a(noun: str, adjective: str = "") -> NounPhrase:
    return NounPhrase("a", NOUNS[noun], adjective)


def my(noun: str, adjective: str = "") -> NounPhrase:
    return NounPhrase("my", NOUNS[noun], adjective)


HAND_CHECKED = [
    (  # the verb stays second behind a time; masculine accusative after "ein"
        Clause(the("farmer"), VERB["buy"], a("hat", "red"), "present", time=TIME["today"], time_first=True),
        "today the farmer buys a red hat",
        "heute kauft der bauer einen roten hut",
        "aujourd'hui le fermier achète un chapeau rouge",
    ),
    (  # a modal sends the infinitive to the end; feminine adjective before its French noun
        Clause(the("teacher"), VERB["see"], the("door", "old"), "can"),
        "the teacher can see the old door",
        "der lehrer kann die alte tür sehen",
        "le professeur peut voir la vieille porte",
    ),
    (  # the perfect, with "my" in the accusative
        Clause(the("girl"), VERB["find"], my("key"), "past", time=TIME["yesterday"], time_first=True),
        "yesterday the girl found my key",
        "gestern hat das mädchen meinen schlüssel gefunden",
        "hier la fille a trouvé ma clé",
    ),
    (  # a separable verb in the present, negated; ne elides
        Clause(the("woman"), VERB["open"], the("window"), "present", negated=True),
        "the woman does not open the window",
        "die frau macht das fenster nicht auf",
        "la femme n'ouvre pas la fenêtre",
    ),
    (  # the same verb as a participle
        Clause(PRONOUN["they"], VERB["open"], the("box", "green"), "past"),
        "they opened the green box",
        "sie haben die grüne kiste aufgemacht",
        "ils ont ouvert la boîte verte",
    ),
    (  # receiver before thing in German, behind it in French; à + le
        Clause(the("queen"), VERB["give"], a("book", "new"), "will", recipient=the("boy", "little")),
        "the queen will give the little boy a new book",
        "die königin wird dem kleinen jungen ein neues buch geben",
        "la reine va donner un nouveau livre au petit garçon",
    ),
    (  # French l' keeps à whole; the place comes before what is indefinite in German
        Clause(PRONOUN["she"], VERB["show"], a("bird"), "present", recipient=the("man"), place=PLACES["garden"]),
        "she shows the man a bird in the garden",
        "sie zeigt dem mann im garten einen vogel",
        "elle montre un oiseau à l'homme dans le jardin",
    ),
    (  # dative plural; à + les
        Clause(the("doctor"), VERB["give"], the("apple", "red"), "past", recipient=the("children")),
        "the doctor gave the children the red apple",
        "der arzt hat den kindern den roten apfel gegeben",
        "le médecin a donné la pomme rouge aux enfants",
    ),
    (  # pronouns: before the time in German, before the verb in French
        Clause(the("children", "young"), VERB["call"], PRONOUN["him"], "present", time=TIME["now"]),
        "the young children call him now",
        "die jungen kinder rufen ihn jetzt an",
        "les jeunes enfants l'appellent maintenant",
    ),
    (  # a participle agrees with the pronoun before it; elision before "a"
        Clause(my("teacher", "old"), VERB["see"], PRONOUN["her"], "past", negated=True),
        "my old teacher did not see her",
        "mein alter lehrer hat sie nicht gesehen",
        "mon vieux professeur ne l'a pas vue",
    ),
    (  # dative verb with sein; plural agreement
        Clause(the("dog", "black"), VERB["follow"], PRONOUN["them"], "past", place=PLACES["river"], place_first=True),
        "near the river the black dog followed them",
        "am fluss ist der schwarze hund ihnen gefolgt",
        "près de la rivière le chien noir les a suivis",
    ),
    (  # dative of a weak noun; indirect in German, direct in French; first person plural
        Clause(PRONOUN["we"], VERB["help"], the("farmer", "old"), "present", time=TIME["now"], time_first=True),
        "now we help the old farmer",
        "jetzt helfen wir dem alten bauern",
        "maintenant nous aidons le vieux fermier",
    ),
    (  # kein and pas de; old and bird begin with vowels
        Clause(the("man", "old"), VERB["buy"], a("bird", "green"), "can", negated=True),
        "the old man cannot buy a green bird",
        "der alte mann kann keinen grünen vogel kaufen",
        "le vieil homme ne peut pas acheter d'oiseau vert",
    ),
    (  # two words before the verb; lui for both sexes
        Clause(the("boy"), VERB["give"], my("letter"), "must", PRONOUN["her"], time=TIME["tonight"], time_first=True),
        "tonight the boy must give her my letter",
        "heute abend muss der junge ihr meinen brief geben",
        "ce soir le garçon doit lui donner ma lettre",
    ),
    (  # often stands before the English verb and behind the others; an before a vowel
        Clause(PRONOUN["he"], VERB["find"], a("picture", "old"), "present", often=True),
        "he often finds an old picture",
        "er findet oft ein altes bild",
        "il trouve souvent un vieux tableau",
    ),
    (
        Clause(a("cat", "white"), VERB["see"], PRONOUN["us"], "present", place=PLACES["bridge"]),
        "a white cat sees us under the bridge",
        "eine weiße katze sieht uns unter der brücke",
        "un chat blanc nous voit sous le pont",
    ),
]


@pytest.mark.parametrize(("clause", "en", "de", "fr"), HAND_CHECKED, ids=[row[1] for row in HAND_CHECKED])
def test_hand_checked_translations(clause: Clause, en: str, de: str, fr: str) -> None:
    assert (english(clause), german(clause), french(clause)) == (en, de, fr)


@pytest.fixture(scope="module")
def many() -> list[Sentence]:
    return sentences(4000, np.random.default_rng(1))


def test_no_two_sentences_share_a_form_in_any_language(many: list[Sentence]) -> None:
    for language in ("en", "de", "fr"):
        assert len({getattr(sentence, language) for sentence in many}) == len(many)


def test_more_sentences_keep_the_first_ones(many: list[Sentence]) -> None:
    assert sentences(50, np.random.default_rng(1)) == many[:50]
    assert sentences(50, np.random.default_rng(2)) != many[:50]


def test_the_grammar_gives_tens_of_thousands() -> None:
    assert len(sentences(30_000, np.random.default_rng(0))) == 30_000


def test_length_characters_and_vocabulary(many: list[Sentence]) -> None:
    assert {len(sentence.en.split()) for sentence in many} == set(N_WORDS)
    assert all(re.fullmatch("[a-z]+( [a-z]+)*", sentence.en) for sentence in many)
    assert all(re.fullmatch("[a-zäöüß]+( [a-zäöüß]+)*", sentence.de) for sentence in many)
    assert all(re.fullmatch("[a-zàâçéèêîôû']+( [a-zàâçéèêîôû']+)*", sentence.fr) for sentence in many)
    assert 60 <= len({word for sentence in many for word in sentence.en.split()}) <= 110


def test_the_german_verb_stands_second(many: list[Sentence]) -> None:
    """One constituent stands before the finite verb: a time, a place, a pronoun, or an article with its noun."""
    finite = {verb.de[1] for verb in VERBS} | {"hat", "haben", "ist", "sind"}
    finite |= {verb.de[0].removeprefix(verb.de_particle) for verb in VERBS}
    finite |= {form for auxiliary in AUXILIARIES.values() for form in auxiliary.de.values()}
    first = [*TIMES, *PLACES.values(), *SUBJECT_PRONOUNS]
    adjectives = "|".join(adjective.de for adjective in ADJECTIVES.values())
    nouns = "|".join(noun.de for noun in NOUNS.values())
    phrase = rf"(?:der|die|das|eine?|meine?) (?:(?:{adjectives})e[nrs]? )?(?:{nouns})"
    pattern = re.compile(rf"(?:{'|'.join(one.de for one in first)}|{phrase}) (?:{'|'.join(finite)}) ")
    wrong = [sentence.de for sentence in many if not pattern.match(sentence.de)]
    assert wrong == []


def test_french_vowels_elide(many: list[Sentence]) -> None:
    clash = re.compile(r"\b(?:le|la|ne|de) [aeiouhéèêô]|\bà les?\b|\bma [aeiouhé]")
    assert [sentence.fr for sentence in many if clash.search(sentence.fr)] == []


def test_translations_reorder(many: list[Sentence]) -> None:
    """Half of the German sentences end in a verb or a particle that stands earlier in English."""
    last = {"auf", "zu", "an"} | {verb.de[0] for verb in VERBS} | {verb.de[2] for verb in VERBS}
    assert sum(sentence.de.split()[-1] in last for sentence in many) > len(many) / 2
