"""Makes fixtures/sclite_pairs.tsv: 200 pairs of reference and hypothesis with the counts that sclite gives them.

Run once, with NIST's sclite 2.10 installed (Debian package sctk): `python tests/score/sclite_pairs.py`. The errors
are of the kinds that recognisers make (sound-alikes, dropped and added small words, joined and split words,
repetitions, a lost stretch), on about every seventh word. Ids are `speaker-sentence`.
"""

import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

TABLE = Path(__file__).parent / "fixtures/sclite_pairs.tsv"
SENTENCES = """
the ferry leaves the harbour a little after seven and reaches the island before noon
she had never seen so many boats in one place and she stopped to count them
we would have written to you sooner if the road across the pass had been open
there is nothing in the letter that he could not have told us himself
they walked along the river until the light began to fail and the wind turned cold
it was not the first time that the clock in the hall had stopped at a quarter to three
the old man laid his hat upon the table and looked around the room for a chair
do you know whether the night train still waits for the mail at the border
a single lamp was burning in the window of the house at the end of the lane
i can not remember who was there but i remember every word that was said
the children ran outside to see the snow that had fallen during the night
nobody in the village knew where the two brothers had learned to play so well
for three weeks the rain fell without a break and the fields turned into a lake
he asked for their names wrote them down in a small book and let them go
when the bell rang for the second time the hall was already full of people
the price of bread has risen again and the baker says that it is the fault of the weather
you will find the key under the third stone to the right of the gate
the captain read the message twice folded it and put it into his coat
it takes more than a good voice to sing before such a crowd
her father had been a doctor and his father before him had been one too
some of the maps were so old that the towns on them no longer exist
we heard the sound of horses on the bridge and then nothing more
if the soil is dry the roots go deeper and the tree stands firmer in a storm
the committee will meet on the first monday of the month to hear both sides
i was told to wait here until somebody came to fetch me
between the two hills there runs a path which only the shepherds use
the machine counts every turn of the wheel and stops when the thread breaks
what he wanted most of all was a room of his own with a view of the sea
by the time the news arrived in the capital the war was over
at last the door opened and a tall woman in a grey coat stepped out
the library keeps a copy of every newspaper that was printed in the county
there were not enough plates so the boys ate out of the pan
he would rather sell the farm than see it divided among strangers
our guide pointed to the peak and said that we should reach it within the hour
the teacher wrote the same word four times and nobody could read it
she gave each of them an apple and a piece of cheese for the journey
the engine had to be taken apart cleaned and put together again
most of what is known about the builder comes from a bill for nails
in those days you could cross the whole city on foot in half an hour
they say that the well behind the church has never run dry
""".strip().splitlines()
SOUND_ALIKES = [
    "there their they're",
    "to two too",
    "for four",
    "write right",
    "sea see",
    "a the",
    "in and",
    "would wood",
    "no know",
    "by buy",
    "hour our",
    "wait weight",
    "been bin being",
    "was were is",
    "that the",
    "had has have",
    "one won",
    "he she",
    "read red",
    "through threw",
    "of off",
    "it its",
]
SMALL = ["a", "an", "and", "the", "of", "in", "to", "it", "is", "that", "was", "so"]
SPLITS = {"outside": "out side", "nobody": "no body", "somebody": "some body", "himself": "him self", "into": "in to"}


def made_pairs(rng: random.Random) -> list[tuple[str, str, str]]:
    """(id, reference, hypothesis): every sentence as five speakers might be understood."""
    pairs = []
    for speaker in range(5):
        for number, sentence in enumerate(SENTENCES):
            pairs.append((f"spk{speaker}-{number:02d}", sentence, " ".join(misheard(sentence.split(), rng))))
    return pairs


def misheard(words: list[str], rng: random.Random) -> list[str]:
    alike = {word: group.split() for group in SOUND_ALIKES for word in group.split()}
    said: list[str] = []
    hardness = rng.choice([0.05, 0.4, 0.8, 1.3])  # some utterances are clear, some are not
    if rng.random() < 0.04 * hardness:  # a stretch is lost
        start = rng.randrange(len(words) - 3)
        words = words[:start] + words[start + 3 :]
    for word in words:
        chance = rng.random() / hardness
        if word in SPLITS and chance < 0.4:
            said += SPLITS[word].split()
        elif chance < 0.05 and word in alike:
            said.append(rng.choice([other for other in alike[word] if other != word]))
        elif chance < 0.08:
            said.append(misspelt(word, rng))
        elif chance < 0.10 and said:
            said[-1] += word  # joined with its neighbour
        elif chance < 0.13 or (word in SMALL and chance < 0.17):
            continue
        elif chance < 0.20:
            said += [rng.choice(SMALL), word]
        elif chance < 0.21:
            said += [word, word]
        else:
            said.append(word)
    return said


def misspelt(word: str, rng: random.Random) -> str:
    place = rng.randrange(len(word))
    return word[:place] + rng.choice("aeioustrn") + word[place + 1 :]


def find_sclite() -> str | None:
    """Where sclite lies; Debian keeps it off the PATH."""
    return shutil.which("sclite") or shutil.which("sclite", path="/usr/lib/sctk/bin")


def sclite_counts(sclite: str, pairs: Iterable[tuple[str, str, str]]) -> dict[str, tuple[int, int, int, int]]:
    """Utterance -> (correct, substituted, deleted, inserted), case-sensitive, in UTF-8."""
    with tempfile.TemporaryDirectory() as folder:
        ref, hyp = Path(folder, "ref.trn"), Path(folder, "hyp.trn")
        rows = list(pairs)
        ref.write_text("".join(f"{reference} ({name})\n" for name, reference, _ in rows), encoding="utf-8")
        hyp.write_text("".join(f"{said} ({name})\n" for name, _, said in rows), encoding="utf-8")
        command = [
            sclite,
            "-s",
            "-e",
            "utf-8",
            "-r",
            ref,
            "trn",
            "-h",
            hyp,
            "trn",
            "-i",
            "rm",
            "-o",
            "pralign",
            "stdout",
        ]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"id: \((\S+)\)\nScores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", shown)
    return {name: (int(c), int(s), int(d), int(i)) for name, c, s, d, i in found}


def main() -> None:
    sclite = find_sclite()
    if sclite is None:
        raise SystemExit("sclite is not installed (Debian package sctk)")
    pairs = made_pairs(random.Random(5))
    counts = sclite_counts(sclite, pairs)
    rows = ["\t".join((*pair, *map(str, counts[pair[0]]))) for pair in pairs]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(["id\tref\thyp\tcorrect\tsub\tdel\tins", *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
