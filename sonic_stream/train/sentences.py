"""Things for a synthetic voice to say, in many languages, from what every machine carries.

Three sources: Python's own documentation (English sentences), the message catalogues of whatever
programs are installed (real sentences in many languages; none needed), and syllable grammars per
script, whose made-up words give every language its own sounds, lip sounds not too rarely.
"""

from __future__ import annotations

import gettext
import importlib
import inspect
import random
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from pydoc_data import topics  # type: ignore[import-untyped,unused-ignore]

# ruff: noqa: E501
# language of espeak-ng -> (directory of message catalogues, onsets, vowels, codas), space-separated
GRAMMARS: dict[str, tuple[str, str, str, str]] = {
    "en-us": (
        "en_GB",
        "b p m f v w t d n s z l r k g h th sh ch st pl br fr sp sm pr bl tr",
        "a e i o u ee oo ai ow oa ea y",
        "_ _ n m t p s r l b f d k nd st mp ve th sh",
    ),
    "es": ("es", "b p m f t d n s l r c g ll ch pr br tr pl bl fr v", "a e i o u ia ue ie", "_ _ _ n s r l"),
    "fr": (
        "fr",
        "b p m f v t d n s z l r c g j ch pl br fr tr pr bl",
        "a e i o u ou on an in eu ai oi é è",
        "_ _ r l s que me be ve",
    ),
    "de": (
        "de",
        "b p m f w t d n s l r k g h sch pf st br fr tr pl schm zw",
        "a e i o u ä ö ü ei au eu ie",
        "_ n m t p s r l b f ch nd pf mpf",
    ),
    "it": (
        "it",
        "b p m f v t d n s l r c g z pr br tr pi bi fi gn",
        "a e i o u io ia uo",
        "_ _ _ _ n r l mb mp",
    ),
    "pt-br": (
        "pt_BR",
        "b p m f v t d n s z l r c g j ch lh nh pr br tr",
        "a e i o u ão em ou ei ã õ",
        "_ _ _ s r m l",
    ),
    "ru": (
        "ru",
        "б п м ф в т д н с з л р к г х ш ж ч ст пр бр мл вс",
        "а э и о у ы е ю я ё",
        "_ _ н м т п с р л б в ж ть",
    ),
    "pl": ("pl", "b p m f w t d n s z l r k g ch sz cz prz br", "a e i o u ó y ą ę", "_ _ n m t p s r k ć"),
    "tr": ("tr", "b p m f v t d n s z l r k g h ş ç c y", "a e i o u ü ö ı", "_ _ n m t p s r l b"),
    "hi": ("hi", "ब प म फ भ त द न स ज़ ल र क ग ह श च व", "_ ा ि ी ु ू े ै ो ौ", "_ _ _ न म र ल स ब प"),
    "ar": ("ar", "بَ بِ بُ مَ مِ مُ فَ فِ فُ تَ تِ تُ دَ نَ نِ سَ سُ لَ لِ رَ رُ كَ قَ هَ حَ شَ وَ يَ", "_ ا ي و", "_ _ نْ مْ رْ لْ سْ بْ فْ"),
    "ja": (
        "ja",
        "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ ま み む め も や ゆ よ ら り る れ ろ わ ば び ぶ べ ぼ ぱ ぴ ぷ ぺ ぽ",
        "_",
        "_ _ _ _ ん",
    ),
    "ko": ("ko", "", "", ""),
    "vi": (
        "vi",
        "b ph m v t đ n s l r c g h th kh nh tr ch",
        "a e i o u ư ơ ă â ê ô á à ạ",
        "_ _ n m t p ng nh c",
    ),
    "el": ("el", "β π μ φ θ τ δ ν σ ζ λ ρ κ γ χ ξ μπ ντ", "α ε ι ο υ ου αι ει", "_ _ _ ν ς ρ"),
    "sv": ("sv", "b p m f v t d n s l r k g h sj br fr st", "a e i o u å ä ö y", "_ n m t p s r l b"),
    "id": ("id", "b p m f t d n s l r k g h j c w y ny ng", "a e i o u ai au", "_ _ n m t p s r k ng"),
    "cs": (
        "cs",
        "b p m f v t d n s z l r k h ch c č š ž ř j ď ť ň br pr př st vl",
        "a e i o u á é í ů ou y",
        "_ _ n m t p s r l b k š č",
    ),
    "fi": ("fi", "p m v t d n s l r k h j f b", "a e i o u y ä ö aa ee uu ai ui öy", "_ _ n t s l r m p"),
    "ca": (
        "ca",
        "b p m f v t d n s l r c g j x ll ny pr br tr pl",
        "a e i o u ia ue à è ò",
        "_ _ n s r l m p t",
    ),
    "sw": ("sw", "b p m f v t d n s z l r k g h mb mw nd j ch", "a e i o u", "_"),
}
"""Languages with an alphabet."""

CHARACTER_LANGUAGES = {"cmn": "zh_CN", "yue": "zh_HK"}
COMMON_CHARACTERS = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政"
    "美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员"
    "解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件"
    "计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象"
    "完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运笔爸妈朋跑"
    "包不八怕步部普片品破飘朋盆门忙买卖没每美猫毛帽梦米面民明魔摸木目飞非费份风封佛服福父付"
)
LONGEST_CATALOGUE = 6000
"""Sentences taken from the catalogues of one language."""


DOCUMENTED = """
    argparse asyncio collections concurrent.futures configparser contextlib csv ctypes datetime decimal
    difflib doctest email.message enum fractions functools gettext glob gzip http.client http.server
    inspect io itertools json locale logging.handlers mailbox multiprocessing optparse os pathlib pickle
    platform pprint queue random re sched shutil signal smtplib socket socketserver sqlite3 ssl
    statistics string subprocess tarfile tempfile textwrap threading tkinter tokenize trace traceback
    turtle typing unittest unittest.mock urllib.request uuid warnings wave weakref webbrowser
    xml.etree.ElementTree zipfile
"""
"""Modules of Python whose documentation is read."""


def _documentation() -> Iterator[str]:
    yield from topics.topics.values()
    for name in DOCUMENTED.split():
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue  # not every Python has every module
        for value in [module, *(v for _, v in sorted(vars(module).items()))]:
            if inspect.ismodule(value) or inspect.isclass(value) or inspect.isfunction(value):
                yield inspect.getdoc(value) or ""
                members = sorted(vars(value).items()) if inspect.isclass(value) else ()
                for _, member in members:
                    if inspect.isfunction(member):
                        yield inspect.getdoc(member) or ""


@lru_cache(maxsize=1)
def english() -> list[str]:
    """Sentences of 30 to 130 plain letters from Python's documentation."""
    found: set[str] = set()
    for text in _documentation():
        for piece in re.split(r"(?<=[.!?])\s+|\n\n", text):
            sentence = " ".join(piece.split())
            if 30 <= len(sentence) <= 130 and re.fullmatch(r"[A-Z][A-Za-z ,.'!?;-]+", sentence):
                found.add(sentence)
    return sorted(found)


def _messages(directory: str) -> Iterator[str]:
    for path in sorted(Path("/usr/share/locale").glob(f"{directory}/LC_MESSAGES/*.mo")):
        try:
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        except (OSError, ValueError, UnicodeDecodeError):
            continue  # an unreadable catalogue is simply not a source
        yield from (text for text in catalogue.values() if isinstance(text, str))


def catalogue(language: str) -> list[str]:
    """Sentences of the installed programs' messages in a language; empty where there are none."""
    if language in CHARACTER_LANGUAGES:
        wanted, pattern = CHARACTER_LANGUAGES[language], re.compile("[\u4e00-\u9fff，、]{6,30}")
    else:
        wanted, pattern = GRAMMARS[language][0], re.compile(r"[^\d%&{}$@()\[\]<>=_*#~^\\/|`\"“”„+]{20,90}")
    found: set[str] = set()
    for text in _messages(wanted):
        for piece in re.split(r"[.!?;:。！？；\n]", text):
            sentence = " ".join(piece.replace("_", "").replace("&", "").split())
            if pattern.fullmatch(sentence) and not re.search("[A-Z]{3,}", sentence):
                found.add(sentence)
    chosen = sorted(found)
    random.Random(0).shuffle(chosen)
    return chosen[:LONGEST_CATALOGUE]


def made_up(language: str, rng: random.Random) -> str:
    """A sentence of made-up words in the sounds of the language."""
    if language in CHARACTER_LANGUAGES:
        return "，".join(
            "".join(rng.choices(COMMON_CHARACTERS, k=rng.randint(3, 8))) for _ in range(rng.randint(1, 3))
        )
    _, onsets, vowels, codas = (part.split() for part in GRAMMARS[language])

    def syllable() -> str:
        if language == "ko":
            coda = rng.choice((0, 0, 0, 1, 4, 8, 16, 17, 21))
            return chr(0xAC00 + (rng.randrange(19) * 21 + rng.randrange(21)) * 28 + coda)
        return "".join(rng.choice(part) for part in (onsets, vowels, codas)).replace("_", "")

    words = ["".join(syllable() for _ in range(rng.choice((1, 2, 2, 3)))) for _ in range(rng.randint(3, 9))]
    if len(words) > 5 and rng.random() < 0.5:
        words[rng.randrange(2, 5)] += ","
    return " ".join(words)


class Speaker:
    """Gives sentences of a language, real ones and made-up ones in turn."""

    def __init__(self, language: str, rng: random.Random) -> None:
        self.language, self.rng = language, rng
        self.real = english() if language.startswith("en") else catalogue(language)
        self.grammar = "en-us" if language.startswith("en") else language

    def sentence(self) -> str:
        """The next sentence."""
        if self.real and self.rng.random() < 0.6:
            return self.rng.choice(self.real)
        return made_up(self.grammar, self.rng)
