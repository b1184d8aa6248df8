"""The words of the mini corpus: about a hundred English ones, with what German and French need to inflect them.

Only words whose three languages agree in meaning, and adjectives that suit their noun, so that any sentence that the
grammar derives is one that a person could say.
"""

from dataclasses import dataclass
from typing import Literal

Case = Literal["nominative", "accusative", "dative"]
Person = Literal["3sg", "1pl", "3pl"]


@dataclass(frozen=True, slots=True)
class Noun:
    """`gender` is m, f, n or p (plural; French plurals are masculine)."""

    en: str
    de_gender: str
    de: str
    fr_gender: str
    fr: str
    adjectives: str  # the English adjectives that suit it
    can_be_mine: bool = True  # "mein mann" is a husband, so "my man" is not said
    de_accusative: str = ""  # where it differs from the nominative
    de_dative: str = ""


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective in three languages; French has two genders."""

    en: str
    de: str  # the stem: endings are added
    fr_m: str
    fr_f: str
    fr_m_vowel: str  # masculine before a vowel
    fr_precedes: bool


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A subject has only the first three fields, an object all but `person`."""

    en: str
    de: str  # nominative of a subject, accusative of an object
    fr: str
    person: Person = "3sg"
    de_dative: str = ""
    fr_dative: str = ""
    fr_agreement: str = ""  # ending of a past participle that follows it


@dataclass(frozen=True, slots=True)
class Verb:
    """`objects`, `subjects` and `places` are the English words that make sense with it."""

    en: tuple[str, str, str]  # base, third person singular, past
    de: tuple[str, str, str]  # infinitive, third person singular, participle
    fr: tuple[str, str, str, str, str]  # infinitive, third singular, first plural, third plural, participle
    objects: str
    places: str
    subjects: str
    de_particle: str = ""  # the separable part: stands last in a main clause
    de_case: Case = "accusative"
    de_auxiliary: str = "haben"
    takes_pronoun: bool = True  # as its object
    recipient: bool = False  # "gives the queen a flower"


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """A verb that is followed by an infinitive; forms by person."""

    en: str
    en_negated: str
    de: dict[Person, str]
    fr: dict[Person, str]


@dataclass(frozen=True, slots=True)
class Adverbial:
    """When or where; `tenses` are the forms of the verb that go with a time."""

    en: str
    de: str
    fr: str
    tenses: str = ""


_PEOPLE = "man woman boy girl teacher farmer queen doctor children"
_ANIMALS = "dog cat horse bird"
_SMALL_THINGS = "letter key apple box flower book picture hat"
_THINGS = f"{_SMALL_THINGS} door window table car"
_OUTSIDE = "garden forest river bridge city"
_ANYWHERE = f"{_OUTSIDE} kitchen"

NOUNS = {
    noun.en: noun
    for noun in (
        Noun("man", "m", "mann", "m", "homme", "old young", can_be_mine=False),
        Noun("woman", "f", "frau", "f", "femme", "old young", can_be_mine=False),
        Noun("boy", "m", "junge", "m", "garçon", "little", False, "jungen", "jungen"),
        Noun("girl", "n", "mädchen", "f", "fille", "little", can_be_mine=False),
        Noun("teacher", "m", "lehrer", "m", "professeur", "old young new"),
        Noun("farmer", "m", "bauer", "m", "fermier", "old young", False, "bauern", "bauern"),
        Noun("queen", "f", "königin", "f", "reine", "old young new", can_be_mine=False),
        Noun("doctor", "m", "arzt", "m", "médecin", "old young new"),
        Noun("children", "p", "kinder", "p", "enfants", "young", de_dative="kindern"),
        Noun("dog", "m", "hund", "m", "chien", "old little big black white"),
        Noun("cat", "f", "katze", "m", "chat", "old little black white"),
        Noun("horse", "n", "pferd", "m", "cheval", "old young black white"),
        Noun("bird", "m", "vogel", "m", "oiseau", "little young black green red"),
        Noun("door", "f", "tür", "f", "porte", "old new little big red green white"),
        Noun("window", "n", "fenster", "f", "fenêtre", "old new little big"),
        Noun("letter", "m", "brief", "f", "lettre", "old new"),
        Noun("key", "m", "schlüssel", "f", "clé", "old new little"),
        Noun("apple", "m", "apfel", "f", "pomme", "little red green"),
        Noun("table", "m", "tisch", "f", "table", "old new little big red green black white"),
        Noun("car", "n", "auto", "f", "voiture", "old new little big red green black white"),
        Noun("box", "f", "kiste", "f", "boîte", "old new little big red green black white"),
        Noun("flower", "f", "blume", "f", "fleur", "little red white"),
        Noun("book", "n", "buch", "m", "livre", "old new little big red green black"),
        Noun("picture", "n", "bild", "m", "tableau", "old new little big"),
        Noun("hat", "m", "hut", "m", "chapeau", "old new little big red green black white"),
    )
}

ADJECTIVES = {
    adjective.en: adjective
    for adjective in (
        Adjective("old", "alt", "vieux", "vieille", "vieil", True),
        Adjective("new", "neu", "nouveau", "nouvelle", "nouvel", True),
        Adjective("young", "jung", "jeune", "jeune", "jeune", True),
        Adjective("little", "klein", "petit", "petite", "petit", True),
        Adjective("big", "groß", "grand", "grande", "grand", True),
        Adjective("red", "rot", "rouge", "rouge", "rouge", False),
        Adjective("green", "grün", "vert", "verte", "vert", False),
        Adjective("black", "schwarz", "noir", "noire", "noir", False),
        Adjective("white", "weiß", "blanc", "blanche", "blanc", False),
    )
}

SUBJECT_PRONOUNS = (
    Pronoun("he", "er", "il", "3sg"),
    Pronoun("she", "sie", "elle", "3sg"),
    Pronoun("we", "wir", "nous", "1pl"),
    Pronoun("they", "sie", "ils", "3pl"),
)

OBJECT_PRONOUNS = (
    Pronoun("him", "ihn", "le", de_dative="ihm", fr_dative="lui"),
    Pronoun("her", "sie", "la", de_dative="ihr", fr_dative="lui", fr_agreement="e"),
    Pronoun("them", "sie", "les", de_dative="ihnen", fr_dative="leur", fr_agreement="s"),
    Pronoun("us", "uns", "nous", de_dative="uns", fr_dative="nous", fr_agreement="s"),
)

VERBS = (
    Verb(
        ("see", "sees", "saw"),
        ("sehen", "sieht", "gesehen"),
        ("voir", "voit", "voyons", "voient", "vu"),
        objects=f"{_PEOPLE} {_ANIMALS} {_THINGS}",
        places=_ANYWHERE,
        subjects=f"{_PEOPLE} {_ANIMALS}",
    ),
    Verb(
        ("find", "finds", "found"),
        ("finden", "findet", "gefunden"),
        ("trouver", "trouve", "trouvons", "trouvent", "trouvé"),
        objects=f"{_PEOPLE} {_ANIMALS} {_SMALL_THINGS} car",
        places=_ANYWHERE,
        subjects=f"{_PEOPLE} {_ANIMALS}",
    ),
    Verb(
        ("buy", "buys", "bought"),
        ("kaufen", "kauft", "gekauft"),
        ("acheter", "achète", "achetons", "achètent", "acheté"),
        objects=f"{_ANIMALS} {_THINGS}",
        places="city",
        subjects=_PEOPLE,
        takes_pronoun=False,
    ),
    Verb(
        ("open", "opens", "opened"),
        ("aufmachen", "macht", "aufgemacht"),
        ("ouvrir", "ouvre", "ouvrons", "ouvrent", "ouvert"),
        objects="door window letter box book",
        places="kitchen",
        subjects=_PEOPLE,
        de_particle="auf",
        takes_pronoun=False,
    ),
    Verb(
        ("close", "closes", "closed"),
        ("zumachen", "macht", "zugemacht"),
        ("fermer", "ferme", "fermons", "ferment", "fermé"),
        objects="door window box book",
        places="kitchen",
        subjects=_PEOPLE,
        de_particle="zu",
        takes_pronoun=False,
    ),
    Verb(
        ("wash", "washes", "washed"),
        ("waschen", "wäscht", "gewaschen"),
        ("laver", "lave", "lavons", "lavent", "lavé"),
        objects="dog cat horse apple table car window hat children",
        places="garden river",
        subjects=_PEOPLE,
    ),
    Verb(
        ("carry", "carries", "carried"),
        ("tragen", "trägt", "getragen"),
        ("porter", "porte", "portons", "portent", "porté"),
        objects="letter key apple box flower book picture table cat dog",  # "trägt den hut" would be "wears"
        places=_OUTSIDE,
        subjects=_PEOPLE,
        takes_pronoun=False,
    ),
    Verb(
        ("call", "calls", "called"),
        ("anrufen", "ruft", "angerufen"),
        ("appeler", "appelle", "appelons", "appellent", "appelé"),
        objects=_PEOPLE,
        places="kitchen garden city",
        subjects=_PEOPLE,
        de_particle="an",
    ),
    Verb(
        ("help", "helps", "helped"),
        ("helfen", "hilft", "geholfen"),
        ("aider", "aide", "aidons", "aident", "aidé"),
        objects=f"{_PEOPLE} {_ANIMALS}",
        places=_ANYWHERE,
        subjects=_PEOPLE,
        de_case="dative",
    ),
    Verb(
        ("follow", "follows", "followed"),
        ("folgen", "folgt", "gefolgt"),
        ("suivre", "suit", "suivons", "suivent", "suivi"),
        objects=f"{_PEOPLE} {_ANIMALS} car",
        places=_OUTSIDE,
        subjects=f"{_PEOPLE} {_ANIMALS}",
        de_case="dative",
        de_auxiliary="sein",
    ),
    Verb(
        ("give", "gives", "gave"),
        ("geben", "gibt", "gegeben"),
        ("donner", "donne", "donnons", "donnent", "donné"),
        objects=f"{_SMALL_THINGS} {_ANIMALS}",
        places=_ANYWHERE,
        subjects=_PEOPLE,
        takes_pronoun=False,
        recipient=True,
    ),
    Verb(
        ("show", "shows", "showed"),
        ("zeigen", "zeigt", "gezeigt"),
        ("montrer", "montre", "montrons", "montrent", "montré"),
        objects=f"{_THINGS} {_ANIMALS}",
        places=_ANYWHERE,
        subjects=_PEOPLE,
        takes_pronoun=False,
        recipient=True,
    ),
)

RECIPIENTS = _PEOPLE

AUXILIARIES = {
    "will": Auxiliary(
        "will",
        "will not",
        {"3sg": "wird", "1pl": "werden", "3pl": "werden"},
        {"3sg": "va", "1pl": "allons", "3pl": "vont"},
    ),
    "can": Auxiliary(
        "can",
        "cannot",
        {"3sg": "kann", "1pl": "können", "3pl": "können"},
        {"3sg": "peut", "1pl": "pouvons", "3pl": "peuvent"},
    ),
    "must": Auxiliary(
        "must",
        "",  # not derived: "must not" would not be "muss nicht" ("need not")
        {"3sg": "muss", "1pl": "müssen", "3pl": "müssen"},
        {"3sg": "doit", "1pl": "devons", "3pl": "doivent"},
    ),
}

DE_PERFECT: dict[str, dict[Person, str]] = {
    "haben": {"3sg": "hat", "1pl": "haben", "3pl": "haben"},
    "sein": {"3sg": "ist", "1pl": "sind", "3pl": "sind"},
}
FR_PERFECT: dict[Person, str] = {"3sg": "a", "1pl": "avons", "3pl": "ont"}

TENSES = ("present", "past", "will", "can", "must")

TIMES = (
    Adverbial("today", "heute", "aujourd'hui", "present can must"),
    Adverbial("now", "jetzt", "maintenant", "present can must"),
    Adverbial("yesterday", "gestern", "hier", "past"),
    Adverbial("tomorrow", "morgen", "demain", "will can must"),
    Adverbial("tonight", "heute abend", "ce soir", "will can must"),
)

OFTEN = Adverbial("often", "oft", "souvent", "present")  # stands beside the verb

PLACES = {
    "garden": Adverbial("in the garden", "im garten", "dans le jardin"),
    "forest": Adverbial("in the forest", "im wald", "dans la forêt"),
    "city": Adverbial("in the city", "in der stadt", "en ville"),
    "kitchen": Adverbial("in the kitchen", "in der küche", "dans la cuisine"),
    "river": Adverbial("near the river", "am fluss", "près de la rivière"),
    "bridge": Adverbial("under the bridge", "unter der brücke", "sous le pont"),
}
