"""Declarations and types: the outer half of the grammar. Expressions are in `expression_parser`."""

# ruff: noqa: PLR0911  one case for each kind of node or type

from __future__ import annotations

from infra.bicep.expression_parser import ExpressionParser
from infra.bicep.lexer import Lexer
from infra.bicep.syntax import (
    ArrayOf,
    Decorator,
    Expression,
    File,
    For,
    If,
    LiteralType,
    Metadata,
    Module,
    NamedType,
    Nullable,
    Object,
    ObjectOf,
    Output,
    Param,
    Resource,
    TargetScope,
    TypeAlias,
    TypeNode,
    TypeProperty,
    UnionOf,
    Var,
)

type Declared = TargetScope | Metadata | TypeAlias | Param | Var | Output | Resource | Module


def parse(path: str, text: str) -> File:
    """The tree of one file. Raises BicepError for what is not understood."""
    lexer = Lexer(path, text)
    declarations = Parser(path, lexer.tokens()).file()
    return File(path, text, declarations, tuple(lexer.suppressions))


class Parser(ExpressionParser):
    """Recursive descent over the tokens of one file."""

    def file(self) -> tuple[Declared, ...]:
        declarations: list[Declared] = []
        self.skip_newlines()
        while self.token.kind != "end":
            declarations.append(self._declaration())
            if self.token.kind != "end":
                self.expect("newline")  # BCP019
            self.skip_newlines()
        return tuple(declarations)

    def _decorators(self) -> tuple[Decorator, ...]:
        found: list[Decorator] = []
        while self.token.kind == "@":
            start = self.advance()
            name = self.expect("name").text
            if self.token.kind == "." and name == "sys":
                self.advance()
                name = self.expect("name").text
            arguments = self.arguments()
            found.append(Decorator(self.since(start), name, arguments))
            self.expect("newline")
            self.skip_newlines()
        return tuple(found)

    def _declaration(self) -> Declared:
        decorators = self._decorators()
        start = self.token
        keyword = self.expect("name").text
        match keyword:
            case "targetScope":
                self.expect("=")
                return TargetScope(self.since(start), keyword, decorators, self.expression())
            case "metadata":
                name = self._named()
                return Metadata(self.since(start), name, decorators, self.expression())
            case "type":
                name = self._named()
                kind = self.type()
                return TypeAlias(self.since(start), name, decorators, kind)
            case "var":
                name = self._named()
                value = self.value()
                return Var(self.since(start), name, decorators, value)
            case "param":
                name = self.expect("name").text
                kind = self.type()
                default = self.expression() if self.take("=") else None
                return Param(self.since(start), name, decorators, kind, default)
            case "output":
                name = self.expect("name").text
                kind = self.type()
                self.expect("=")
                value = self.value()
                return Output(self.since(start), name, decorators, kind, value)
            case "resource" | "module":
                return self.deployed(keyword, decorators)
            case _:
                raise self.refuse(f"BCP007: a declaration that begins with {keyword!r} is not understood")

    def _named(self) -> str:
        name = self.expect("name").text
        self.expect("=")
        return name

    def nested_resource(self) -> Resource:
        """A resource inside another one's body."""
        decorators = self._decorators()
        if self.token.text != "resource":
            raise self.refuse("only a resource may follow a decorator here")
        declared = self.deployed(self.token.text, decorators, advance=True)
        if not isinstance(declared, Resource):
            raise self.refuse("a module cannot be nested")
        return declared

    def deployed(
        self, keyword: str, decorators: tuple[Decorator, ...], *, advance: bool = False
    ) -> Resource | Module:
        start = self.advance() if advance else self.previous
        name = self.expect("name").text
        reference = self.expression()
        literal = getattr(reference, "literal", None)
        if not isinstance(literal, str):
            raise self.refuse("BCP047: a type or a path is a string without interpolation")
        existing = self.token.text == "existing" and self.token.kind == "name"
        if existing:
            self.advance()
        self.expect("=")
        body = self._body()
        if keyword == "module":
            return Module(self.since(start), name, decorators, body, literal)
        return Resource(self.since(start), name, decorators, body, literal, existing)

    def _body(self) -> Expression:
        """What may follow `=` in a resource or a module: an object, `if`, a loop of those (BCP118, 167)."""
        body = self.loop(self._body_or_if) if self.token.kind == "[" else self._body_or_if()
        inner = body
        while isinstance(inner, For | If):
            inner = inner.body
        if not isinstance(inner, Object):
            raise self.refuse("BCP118: a resource's or a module's body is an object")
        return body

    def _body_or_if(self) -> Expression:
        if self.token.text != "if" or self.token.kind != "name":
            return self.object()
        start = self.advance()
        self.expect("(")
        self.skip_newlines()
        condition = self.expression()
        self.skip_newlines()
        self.expect(")")
        body = self.object()
        return If(self.since(start), condition, body)

    def type(self) -> TypeNode:
        """A type: alternatives of names, literals, objects, each perhaps `[]` or `?`."""
        start = self.token
        members = [self._postfix_type()]
        while self.take("|"):
            members.append(self._postfix_type())
        return members[0] if len(members) == 1 else UnionOf(self.since(start), tuple(members))

    def _postfix_type(self) -> TypeNode:
        start = self.token
        kind = self._primary_type()
        while True:
            if self.token.kind == "[":
                self.advance()
                self.expect("]")
                kind = ArrayOf(self.since(start), kind)
            elif self.token.kind == "?":
                self.advance()
                kind = Nullable(self.since(start), kind)
            else:
                return kind

    def _primary_type(self) -> TypeNode:
        start = self.token
        match start.kind:
            case "name":
                self.advance()
                return NamedType(self.since(start), start.text)
            case "number":
                self.advance()
                return LiteralType(self.since(start), int(start.text))
            case "string":
                literal = getattr(self.expression(), "literal", None)
                if not isinstance(literal, str):
                    raise self.refuse("BCP032: a literal type is a string without interpolation")
                return LiteralType(self.since(start), literal)
            case "(":
                self.advance()
                kind = self.type()
                self.expect(")")
                return kind
            case "{":
                return self._object_type()
            case _:
                raise self.refuse(f"BCP279: {start.text!r} begins no type that is understood")

    def _object_type(self) -> TypeNode:
        start = self.expect("{")
        properties: list[TypeProperty] = []
        self.skip_newlines()
        while self.token.kind != "}":
            decorators = self._decorators()
            first = self.token
            name = self.advance().text if first.kind == "name" else self._quoted()
            self.expect(":")
            kind = self.type()
            properties.append(TypeProperty(self.since(first), name, kind, decorators))
            self.separator("}")
        self.expect("}")
        return ObjectOf(self.since(start), tuple(properties))

    def _quoted(self) -> str:
        literal = getattr(self.expression(), "literal", None)
        if not isinstance(literal, str):
            raise self.refuse("a property's name is a string without interpolation")
        return literal
