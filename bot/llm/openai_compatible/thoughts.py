"""Thoughts that a model writes into its answer, `<think>…</think>` at its beginning, are taken out of it."""

_OPENS, _CLOSES = "<think>", "</think>"


class Thoughts:
    """Reads the beginning of a text that comes in pieces."""

    def __init__(self) -> None:
        self.are_any = False
        self.are_over = False
        """What follows is the answer."""
        self._held = ""
        self._closed = False

    def feed(self, piece: str) -> str:
        """What of this piece, and of those before it, is the answer."""
        if self.are_over or self._closed:
            return self._first(piece)
        self._held += piece
        if not self.are_any:
            begins = self._held.lstrip()
            if not begins.startswith(_OPENS):
                return "" if _OPENS.startswith(begins) and len(self._held) < 1000 else self._release(self._held)
            self.are_any, self._held = True, begins
        thought, closes, answer = self._held.partition(_CLOSES)
        if closes:
            self._closed = True
            return self._first(answer)
        self._held = thought[-len(_CLOSES) :]
        return ""

    def rest(self) -> str:
        """What was held back and turns out to be no thought, since the text ends."""
        return "" if self.are_any else self._release(self._held)

    def _first(self, piece: str) -> str:
        """Behind thoughts, the white space before the answer is none of it."""
        if self.are_over or not (words := piece.lstrip()):
            return piece if self.are_over else ""
        return self._release(words)

    def _release(self, answer: str) -> str:
        self.are_over, self._held = True, ""
        return answer
