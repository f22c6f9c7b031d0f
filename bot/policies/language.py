"""Guesses whether a text is Vietnamese or English, also when Vietnamese is typed without its marks."""

import unicodedata
from collections.abc import Collection, Sequence
from itertools import pairwise

import regex

from bot.policies.spelling import is_syllable
from bot.text import fold

_MAX_CHARS = 2000
_WORD = regex.compile(r"[^\W\d_]+")
# Addresses and codes are in no language.
_NO_WORDS = regex.compile(r"https?://\S+|\S+@\S+|#\S+")
# Letters that no other language of the customers has; á, é and the like are in too many.
_ONLY_VIETNAMESE = frozenset("ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉĩịọỏốồổỗộớờởỡợụủũứừửữựỳỵỷỹ")
_ALSO_VIETNAMESE = frozenset("àáâãèéêìíòóôõùúý")
# Syllables without marks that are no English words; a marked Vietnamese text does not need them.
_BARE_WORDS = """
khong toi minh duoc dc ko bao nhieu giao hang doi tra tien ngay mua nay vay nha nhe oi bi gi sao nao thi cua voi
chua roi lam lau mau gio khi nhan don kich hoan phi chuyen khoan thanh toan van dia lien he giup muon hoi biet
xin chao cam anh ban nhu cho ao quan vay giay tui xach khan goi chan sach loi hong rach vo nghi tet mo sai mac
thu dien thoai nguoi viet nam neu thay dang sp ck stk sz hok mien gia lay gui tai phai hom nua luc them het va
em ak ah vs chi mk bn ng chug cx bh bt lm trc ntn nt hnay hqua sdt dk đc đk cty nv kh ctv hem hong kg alo
"""
_ENGLISH_WORDS = """
the a an is are was i im my me you your we our it this that these do does did can could would will what when
where which who why how much many long have has got get want need to of for from with in on at and or not if
please return returns refund refunds exchange orders shipping delivery deliver pay payment price cost buy money
back wrong broken damaged item product fit open closed warranty cancel free days guide hours gift
big small large bigger smaller old today tomorrow yesterday also just more less only about yes
"""
# English words of a shop, and common ones, that could be Vietnamese syllables by their shape.
_SHAPED_WORDS = """
hat cap cup mat pan pot pin tip lip hip kit map tap top but cut put let met set pet net sit hit bit lot hot ten men
pen man fan van ran tan tin thin chin no so go be he she see tea too may say day way guy key they hey toy boy joy
than then thank them thing think king song sing ring hang much such each teach chat team moon soon noon room rain
main pain train chain mean queen trip tray try by am us up out new note let per nice pay paid meet month hem hen
"""
# Words that say nothing of the language: chats of both are full of them.
_BOTH_WORDS = """
hi hello hey thanks thank ok oke okay bye shop store ship size sale order check inbox cod feedback voucher email mail
zalo facebook messenger hotline combo cotton polo jean jeans form freesize freeship web website link app online offline
livestream video clip bill code sms vip iphone android shopee lazada tiki momo banking visa mastercard card admin
linen kaki denim sweater blazer cardigan hoodie croptop vintage wifi menu review
"""
# Words that hold a sentence together. Without marks these Vietnamese ones are no English words.
_VIETNAMESE_GRAMMAR = """
khong ko hok kg duoc dc gi nao sao nhieu cua nhe oi minh toi voi neu thi roi vay va
"""
_MARKED_GRAMMAR = """
có còn là và thì mà được không của ở từ đến bị để khi này đó nào gì thế vậy mấy bạn mình chị ạ à ơi
nhé nha nhỉ đi đã đang sẽ rồi với nếu lại phải như ngoài về lên nhiêu tôi đc ko
"""
_ENGLISH_GRAMMAR = """
is are was were does did could would will should what when where which who why how you your we our it this that these
those of for from with if please have has had not there their any isn doesn don didn won
"""
# These may be Vietnamese without its marks (thế, cần, đó …): they count beside one that can not.
_PERHAPS_GRAMMAR = "the do can my i to a an in on and or me am"
_PAIRS = frozenset(
    {
        "bao nhieu",
        "bao lau",
        "giao hang",
        "doi tra",
        "doi hang",
        "tra hang",
        "hoan tien",
        "co duoc",
        "may ngay",
        "the nao",
    }
    | {"con hang", "nhu the", "mua hang", "thanh toan", "bao hanh", "may gio", "dia chi", "shop oi", "cam on", "la gi"}
    | {"con size", "con mau", "co size", "co mau", "o dau", "noi that"}
)
_ENGLISH_END = regex.compile(r"\w{2,}(?:ing|tions?|sions?|ments?|able|ness|ful|ously|ated|ized|ers?|ies|ally)")
# What a word counts that is in no list: it looks Vietnamese, or can not be.
_LOOKS_VIETNAMESE, _LOOKS_ENGLISH = 0.35, 0.6
_SHORTEST_UNKNOWN = 4
_LONG = 8
# One letter for a word (k: không, h: giờ) is a Vietnamese habit.
_LETTERS = frozenset("kzhj")
_LETTER = 0.5
# A name says where somebody lives, not what he speaks.
_NAME = 0.25
_ENOUGH = 0.8


def _split(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BARE, _ENGLISH, _SHAPED, _BOTH = map(_split, (_BARE_WORDS, _ENGLISH_WORDS, _SHAPED_WORDS, _BOTH_WORDS))
_VI_GRAMMAR, _VI_MARKED = _split(_VIETNAMESE_GRAMMAR), _split(_MARKED_GRAMMAR)
_EN_GRAMMAR, _EN_PERHAPS = _split(_ENGLISH_GRAMMAR), _split(_PERHAPS_GRAMMAR)


def guess_language(text: str, hint: str | None, default: str, languages: Collection[str]) -> str:
    """The language to answer in, one of `languages`: the text's own, else the platform's hint, else `default`.

    `hint` may name a region, too (`vi-VN`).
    """
    own = _own(text[:_MAX_CHARS])
    if own in languages:
        return own or default
    hinted = (hint or "").replace("_", "-").split("-")[0].lower()
    return hinted if hinted in languages else default


def _own(text: str) -> str | None:
    typed = _WORD.findall(_NO_WORDS.sub(" ", unicodedata.normalize("NFC", text)))
    words = [word.casefold() for word in typed]
    bare = [word if word.isascii() else fold(word) for word in words]
    vietnamese, english = _grammar(words, bare)
    # A sentence that is held together by one language is in it, whatever products and places it names.
    if english >= 2 and not vietnamese:
        return "en"
    for word, folded, is_name in zip(words, bare, _names(typed), strict=True):
        ours, theirs = _evidence(word, folded)
        vietnamese += ours * (_NAME if is_name else 1)
        english += theirs
    vietnamese += sum(2 * (f"{one} {two}" in _PAIRS) for one, two in pairwise(bare))
    if vietnamese == english or max(vietnamese, english) < _ENOUGH:
        return "vi" if _ONLY_VIETNAMESE & set("".join(words)) else None
    return "vi" if vietnamese > english else "en"


def _grammar(words: Sequence[str], bare: Sequence[str]) -> tuple[float, float]:
    """How many words hold the text together, in Vietnamese and in English."""
    vietnamese = sum(
        word in _VI_MARKED or (word == folded and folded in _VI_GRAMMAR)
        for word, folded in zip(words, bare, strict=True)
    )
    english = sum(word in _EN_GRAMMAR for word in words)
    return vietnamese, english + (sum(word in _EN_PERHAPS for word in words) if english else 0)


def _evidence(word: str, folded: str) -> tuple[float, float]:
    """What a word says for Vietnamese, and for English."""
    marks = 2 * bool(_ONLY_VIETNAMESE & set(word)) + bool(_ALSO_VIETNAMESE & set(word))
    if marks or folded in _BARE:
        return marks + (folded in _BARE), float(word in _ENGLISH)
    if word in _ENGLISH:
        return 0.0, 1.0
    if word in _BOTH or not word.isascii():
        return 0.0, 0.0
    if len(word) == 1:
        return _LETTER * (word in _LETTERS), 0.0
    if word in _SHAPED:
        return 0.0, _LOOKS_ENGLISH
    if is_syllable(folded):
        return _LOOKS_VIETNAMESE, 0.0
    if len(word) >= _LONG or _ENGLISH_END.fullmatch(word):
        return 0.0, 1.0
    return 0.0, _LOOKS_ENGLISH * (len(word) >= _SHORTEST_UNKNOWN)


def _names(typed: Sequence[str]) -> list[bool]:
    """Which words are written as names are: with a capital inside a text, or beside another one."""
    capital = [word[0].isupper() and not word.isupper() for word in typed]
    if all(capital):
        return [False] * len(typed)
    beside = [before or after for before, after in zip([False, *capital], [*capital[1:], False], strict=False)]
    return [one and (number > 0 or beside[number]) for number, one in enumerate(capital)]
