"""Services that people write to, in Korean or English: what their commands have in common.

A command begins with a head (`!bed`, `!병상`), which says the language, and a verb.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final, Literal

import msgspec

Language = Literal["ko", "en"]
LANGUAGES: Final[tuple[Language, Language]] = ("ko", "en")
_LIKENESS: Final = 0.6  # from which on a word is taken for a verb that was meant
Both = tuple[str, str]  # in the order of LANGUAGES


class Unclear(Exception):
    """verb: of whose use nothing could be made; near: a verb that resembles what was written."""

    def __init__(self, verb: str | None = None, near: str | None = None) -> None:
        super().__init__(verb, near)
        self.verb = verb
        self.near = near


class Spoken(msgspec.Struct, frozen=True):
    """heads: with their language, each language's own first; verbs: by every name that they have."""

    heads: Mapping[str, Language]
    verbs: Mapping[str, str]

    def language_of(self, said: str) -> Language:
        return self.heads.get(said.split(maxsplit=1)[0].lower(), "ko") if said else "ko"

    def verb(self, name: str) -> str:
        """Raises Unclear, with a verb that is like it."""
        found = self.verbs.get(name.lower())
        if found is None:
            near = get_close_matches(name.lower(), self.verbs, 1, _LIKENESS)
            raise Unclear(near=near[0] if near else None)
        return found


class Guide(msgspec.Struct, frozen=True):
    """What a service says of its own use. uses: of each verb, as it is written behind the head."""

    spoken: Spoken
    title: Both
    uses: Mapping[str, Both]
    signs: Both

    def usage(self, language: Language) -> str:
        place, head = LANGUAGES.index(language), self._head(language)
        return "\n".join(
            [self.title[place], *(f"{head} {use[place]}" for use in self.uses.values()), self.signs[place]]
        )

    def unclear(self, problem: Unclear, language: Language) -> str:
        head, is_korean = self._head(language), language == "ko"
        if problem.verb is not None:
            use = self.uses[problem.verb][LANGUAGES.index(language)]
            return f"이렇게 써 주세요: {head} {use}" if is_korean else f"Write it like this: {head} {use}"
        if problem.near is None:
            return self.usage(language)
        if is_korean:
            return f"혹시 {head} {problem.near}? 명령 보기: {head}"
        return f"Did you mean {head} {problem.near}? Commands: {head} help"

    def _head(self, language: Language) -> str:
        return next(head for head, spoken in self.spoken.heads.items() if spoken == language)
