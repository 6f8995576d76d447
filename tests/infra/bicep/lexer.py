"""Text into tokens. A string is one token that holds the tokens of what is interpolated in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from infra.bicep.syntax import BicepError, Span, Suppression

_SKIPPED = re.compile(r"[ \t\r]+|//[^\n]*|/\*.*?\*/", re.DOTALL)
_DIRECTIVE = re.compile(r"#([a-z-]+)([^\n]*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[0-9]+")
_OPERATORS = (
    *("=>", "==", "!=", "=~", "!~", "<=", ">=", "&&", "||", "??", "::", ".?", "[?"),
    *(
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ":",
        ",",
        ".",
        "=",
        "?",
        "!",
        "<",
        ">",
        "+",
        "-",
        "*",
        "/",
        "%",
        "|",
        "@",
    ),
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", "$": "$"}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is name, number, string, newline, end, or the operator itself."""

    kind: str
    text: str
    span: Span
    parts: tuple[str | tuple[Token, ...], ...] = ()


class Lexer:
    """Reads one file. Raises BicepError for a character that begins no token (BCP001 to BCP006)."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.position = 0
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self.suppressions: list[Suppression] = []

    def tokens(self) -> tuple[Token, ...]:
        """All tokens of the file, closed by an `end`."""
        found = self._until(None)
        return (*found, Token("end", "", self._span(self.position)))

    def _span(self, start: int) -> Span:
        return Span(start, self.position, self._line(start))

    def _line(self, position: int) -> int:
        return bisect_left(self._line_ends, position) + 1

    def _refuse(self, message: str) -> BicepError:
        return BicepError(self.path, self._line(self.position), message)

    def _until(self, closing: str | None) -> tuple[Token, ...]:
        """Tokens up to the end, or up to the brace that closes an interpolation."""
        found: list[Token] = []
        depth = 0
        while self.position < len(self.text):
            if skipped := _SKIPPED.match(self.text, self.position):
                self.position = skipped.end()
                continue
            if self.text[self.position] == "#":
                self._directive()
                continue
            token = self._token()
            if closing and token.kind == closing and depth == 0:
                return (*found, Token("end", "", token.span))
            depth += {"{": 1, "}": -1}.get(token.kind, 0)
            found.append(token)
        if closing:
            raise self._refuse("BCP004: a string is not closed")
        return tuple(found)

    def _directive(self) -> None:
        match = _DIRECTIVE.match(self.text, self.position)
        if match is None or match[1] != "disable-next-line":
            raise self._refuse("this directive is not understood: only #disable-next-line is")
        self.position = match.end()
        self.suppressions.append(Suppression(self._span(match.start()).line, tuple(match[2].split())))

    def _token(self) -> Token:
        start = self.position
        if self.text[start] == "\n":
            self.position += 1
            return Token("newline", "\n", self._span(start))
        if self.text.startswith("'''", start):
            return self._multi_line()
        if self.text[start] == "'":
            return self._string()
        for kind, pattern in (("name", _NAME), ("number", _NUMBER)):
            if match := pattern.match(self.text, start):
                self.position = match.end()
                return Token(kind, match[0], self._span(start))
        for operator in _OPERATORS:
            if self.text.startswith(operator, start):
                self.position += len(operator)
                return Token(operator, operator, self._span(start))
        raise self._refuse(f"BCP001: {self.text[start]!r} begins nothing")

    def _multi_line(self) -> Token:
        start = self.position
        end = self.text.find("'''", start + 3)
        if end < 0:
            raise self._refuse("BCP140: a multi-line string is not closed")
        self.position = end + 3
        content = self.text[start + 3 : end].removeprefix("\r").removeprefix("\n")
        return Token("string", self.text[start : self.position], self._span(start), (content,))

    def _string(self) -> Token:
        start = self.position
        self.position += 1
        parts: list[str | tuple[Token, ...]] = []
        content = ""
        while True:
            character = self.text[self.position : self.position + 1]
            if character in {"", "\n"}:
                raise self._refuse("BCP004: a string is not closed")
            self.position += 1
            if character == "'":
                break
            if character == "\\":
                content += self._escape()
            elif character == "$" and self.text.startswith("{", self.position):
                self.position += 1
                parts += [content] if content else []
                content = ""
                parts.append(self._until("}"))
            else:
                content += character
        parts += [content] if content else []
        return Token("string", self.text[start : self.position], self._span(start), tuple(parts))

    def _escape(self) -> str:
        character = self.text[self.position : self.position + 1]
        if character not in _ESCAPES:
            raise self._refuse(f"BCP006: the escape sequence \\{character} is not understood")
        self.position += 1
        return _ESCAPES[character]
