"""Expressions: precedence, accessors, objects, arrays, loops, lambdas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from infra.bicep.syntax import (
    Array,
    BicepError,
    Binary,
    Boolean,
    Call,
    Expression,
    For,
    If,
    Index,
    Lambda,
    Member,
    Name,
    NestedAccess,
    NotNull,
    Null,
    Number,
    Object,
    Property,
    Resource,
    Span,
    Ternary,
    Text,
    Unary,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.bicep.lexer import Token

# Bicep's operators from the weakest to the strongest; all of them associate to the left.
PRECEDENCE = {
    operator: strength
    for strength, operators in enumerate(
        (
            ("??",),
            ("||",),
            ("&&",),
            ("==", "!=", "=~", "!~"),
            ("<", "<=", ">", ">="),
            ("+", "-"),
            ("*", "/", "%"),
        ),
        start=1,
    )
    for operator in operators
}


class ExpressionParser(ABC):
    """The part of the parser that reads values. `path` names the file in errors."""

    def __init__(self, path: str, tokens: tuple[Token, ...]) -> None:
        self.path, self.tokens = path, tokens
        self.position = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    @property
    def previous(self) -> Token:
        return self.tokens[self.position - 1]

    @property
    def following(self) -> Token:
        return self.tokens[min(self.position + 1, len(self.tokens) - 1)]

    def advance(self) -> Token:
        self.position += 1
        return self.previous

    def take(self, kind: str) -> bool:
        """Whether the next token was of this kind; if so it is passed."""
        if self.token.kind != kind:
            return False
        self.position += 1
        return True

    def expect(self, kind: str) -> Token:
        if self.token.kind != kind:
            raise self.refuse(f"BCP018: expected {kind!r}, found {self.token.text!r}")
        return self.advance()

    def refuse(self, message: str) -> BicepError:
        return BicepError(self.path, self.token.span.line, message)

    def since(self, start: Token) -> Span:
        return Span(start.span.start, self.previous.span.end, start.span.line)

    def _from(self, start: Expression) -> Span:
        return Span(start.span.start, self.previous.span.end, start.span.line)

    def skip_newlines(self) -> None:
        while self.token.kind == "newline":
            self.position += 1

    def separator(self, closing: str) -> None:
        """What stands between two items: new lines or a comma (BCP236, 238)."""
        if self.token.kind == closing:
            return
        if not self.take(","):
            self.expect("newline")
        self.skip_newlines()

    def value(self) -> Expression:
        """An expression where a loop is allowed (BCP138): a variable, an output, a property."""
        return self.loop(self.value) if self.at_loop() else self.expression()

    def at_loop(self) -> bool:
        """Whether `[for` is next, perhaps with new lines between."""
        following = (token.text for token in self.tokens[self.position + 1 :] if token.kind != "newline")
        return self.token.kind == "[" and next(following, "") == "for"

    def expression(self) -> Expression:
        condition = self._binary(0)
        mark = self.position
        self.skip_newlines()
        if self.token.kind != "?":
            self.position = mark
            return condition
        self.advance()
        self.skip_newlines()
        then = self.expression()
        self.skip_newlines()
        self.expect(":")
        self.skip_newlines()
        otherwise = self.expression()
        return Ternary(self._from(condition), condition, then, otherwise)

    def _binary(self, weakest: int) -> Expression:
        left = self._unary()
        while (strength := PRECEDENCE.get(self.token.kind, 0)) > weakest:
            operator = self.advance().text
            right = self._binary(strength)
            left = Binary(self._from(left), operator, left, right)
        return left

    def _unary(self) -> Expression:
        if self.token.kind in {"!", "-"}:
            start = self.advance()
            operand = self._unary()
            return Unary(self.since(start), start.text, operand)
        return self._postfix()

    def _postfix(self) -> Expression:
        base = self._primary()
        while True:
            match self.token.kind:
                case "." | ".?":
                    safe = self.advance().kind == ".?"
                    name = self.expect("name").text
                    if self.token.kind == "(":
                        arguments = self.arguments()
                        base = Call(self._from(base), base, name, arguments)
                    else:
                        base = Member(self._from(base), base, name, safe)
                case "[" | "[?":
                    safe = self.advance().kind == "[?"
                    index = self.expression()
                    self.expect("]")
                    base = Index(self._from(base), base, index, safe)
                case "::":
                    self.advance()
                    name = self.expect("name").text
                    base = NestedAccess(self._from(base), base, name)
                case "!":
                    self.advance()
                    base = NotNull(self._from(base), base)
                case _:
                    return base

    def _primary(self) -> Expression:
        start = self.token
        match start.kind:
            case "number":
                self.advance()
                return Number(start.span, int(start.text))
            case "string":
                self.advance()
                return self._text(start)
            case "(":
                return self._parenthesised()
            case "[":
                return self._array()
            case "{":
                return self.object()
            case "name":
                return self._word()
            case _:
                raise self.refuse(f"BCP009: {start.text!r} begins no expression that is understood")

    def _text(self, token: Token) -> Text:
        parts: list[str | Expression] = []
        for part in token.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            inner = type(self)(self.path, part)
            inner.skip_newlines()
            parts.append(inner.expression())
            inner.skip_newlines()
            inner.expect("end")  # BCP064
        return Text(token.span, tuple(parts))

    def _word(self) -> Expression:
        start = self.advance()
        match start.text:
            case "true" | "false":
                return Boolean(start.span, start.text == "true")
            case "null":
                return Null(start.span)
            case _ if self.token.kind == "(":
                arguments = self.arguments()
                return Call(self.since(start), None, start.text, arguments)
            case name if self.token.kind == "=>":
                self.advance()
                body = self.expression()
                return Lambda(self.since(start), (name,), body)
            case name:
                return Name(start.span, name)

    def arguments(self) -> tuple[Expression, ...]:
        self.expect("(")
        self.skip_newlines()
        found: list[Expression] = []
        while self.token.kind != ")":
            found.append(self.expression())
            self.skip_newlines()
            if self.token.kind != ")":
                self.expect(",")
                self.skip_newlines()
                if self.token.kind == ")":
                    raise self.refuse("BCP009: an argument is missing after the comma")
        self.expect(")")
        return tuple(found)

    def _parenthesised(self) -> Expression:
        """`(expression)`, or the parameters of a lambda."""
        mark = self.position
        names: list[str] = []
        start = self.advance()
        while self.token.kind == "name":
            names.append(self.advance().text)
            if not self.take(","):
                break
        if self.token.kind == ")" and self.following.kind == "=>":
            self.advance()
            self.advance()
            body = self.expression()
            return Lambda(self.since(start), tuple(names), body)
        self.position = mark + 1
        self.skip_newlines()
        inner = self.expression()
        self.skip_newlines()
        self.expect(")")
        return inner

    def _array(self) -> Expression:
        if self.at_loop():
            raise self.refuse("BCP138: a loop is not allowed here")
        start = self.expect("[")
        items: list[Expression] = []
        self.skip_newlines()
        while self.token.kind != "]":
            items.append(self.expression())
            self.separator("]")
        self.expect("]")
        return Array(self.since(start), tuple(items))

    def loop(self, body: Callable[[], Expression]) -> For:
        start = self.expect("[")
        self.skip_newlines()
        if self.expect("name").text != "for":
            raise self.refuse("BCP012: expected 'for'")
        index = None
        if self.take("("):
            item = self.expect("name").text
            self.expect(",")
            index = self.expect("name").text
            self.expect(")")
        else:
            item = self.expect("name").text
        if self.expect("name").text != "in":
            raise self.refuse("BCP012: expected 'in'")
        source = self.expression()
        self.expect(":")
        inner = body()
        self.skip_newlines()
        self.expect("]")
        return For(self.since(start), item, index, source, inner)

    def object(self) -> Object:
        start = self.expect("{")
        properties: list[Property] = []
        nested: list[Resource] = []
        self.skip_newlines()
        while self.token.kind != "}":
            if self._at_nested_resource():
                nested.append(self.nested_resource())
            else:
                properties.append(self._property())
            self.separator("}")
        self.expect("}")
        return Object(self.since(start), tuple(properties), tuple(nested))

    def _at_nested_resource(self) -> bool:
        return self.token.kind == "@" or (self.token.text == "resource" and self.following.kind == "name")

    @abstractmethod
    def nested_resource(self) -> Resource:
        """A resource declared in an object: the parser of declarations knows how."""

    def _property(self) -> Property:
        first = self.token
        if first.kind == "name":
            self.advance()
            key = Text(first.span, (first.text,))
        elif first.kind == "string":
            self.advance()
            key = self._text(first)
        else:
            raise self.refuse(f"BCP022: {first.text!r} is no property name")
        self.expect(":")
        value = self.value()
        if isinstance(value, If):
            raise self.refuse("BCP100: an if is not an expression")
        return Property(self.since(first), key, value)
