"""A complete answer in one piece: what its reader saw, made again from what is stored of it."""

import sys

from bot.reply.blocks import without_tabs
from bot.reply.parts import Parts
from bot.reply.references import References


def whole(preface: str, text: str, notice: str) -> str:
    """The Markdown that was shown when the answer had ended: under `preface`, above `notice`, with its links."""
    text = without_tabs(text)
    source = f"{preface}\n\n{text}" if preface else text
    parts = Parts(max_units=sys.maxsize, measure=len)
    references = References()
    references.look(source, ended=True)
    texts = parts.finish(source, notice, is_cut=bool(notice))
    linked = [references.in_message(text, 0, parts.fits) for text in texts]
    # What does nothing but define is shown as it stands if it is all that there is.
    return "\n\n".join([text for text in linked if parts.shows(text)] or texts)
