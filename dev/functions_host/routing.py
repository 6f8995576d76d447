"""Route templates of ASP.NET Core, as Azure Functions uses them, and a table that matches requests to them.

Rules: https://learn.microsoft.com/aspnet/core/fundamentals/routing (template, constraints, precedence).
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self
from urllib.parse import unquote

_PARAMETER = re.compile(
    r"\{(?P<catch_all>\*{0,2})(?P<name>\w+)(?P<constraints>(?::\w+(?:\([^(){}]*\))?)*)"
    r"(?:=(?P<default>[^{}]*)|(?P<optional>\?))?\}"
)
_CONSTRAINT = re.compile(r":(\w+)(?:\(([^()]*)\))?")

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_GUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

type _Check = Callable[[str], bool]


class RouteTemplateError(ValueError):
    """The template is not one that this module understands."""


def _integer_of(bits: int) -> _Check:
    limit = 1 << (bits - 1)
    return lambda text: _INTEGER.fullmatch(text) is not None and -limit <= int(text) < limit


_CONSTRAINTS: dict[str, _Check] = {
    "int": _integer_of(32),
    "long": _integer_of(64),
    "bool": lambda text: text.lower() in {"true", "false"},
    "guid": lambda text: _GUID.fullmatch(text) is not None,
    "alpha": lambda text: re.fullmatch("[a-zA-Z]*", text) is not None,
    "double": lambda text: _NUMBER.fullmatch(text) is not None,
    "float": lambda text: _NUMBER.fullmatch(text) is not None,
    "decimal": lambda text: _NUMBER.fullmatch(text) is not None,
    "required": lambda text: text != "",
}
_CONSTRAINTS_WITH_NUMBERS: dict[tuple[str, int], Callable[..., _Check]] = {
    ("length", 1): lambda length: lambda text: len(text) == length,
    ("length", 2): lambda least, most: lambda text: least <= len(text) <= most,
    ("minlength", 1): lambda least: lambda text: len(text) >= least,
    ("maxlength", 1): lambda most: lambda text: len(text) <= most,
    ("min", 1): lambda least: lambda text: _CONSTRAINTS["long"](text) and int(text) >= least,
    ("max", 1): lambda most: lambda text: _CONSTRAINTS["long"](text) and int(text) <= most,
    ("range", 2): lambda least, most: lambda text: _CONSTRAINTS["long"](text) and least <= int(text) <= most,
}


class _Parameter(NamedTuple):
    name: str
    checks: Sequence[_Check]
    default: str | None
    optional: bool
    catch_all: bool


class _Segment(NamedTuple):
    pattern: re.Pattern[str]
    parameters: Sequence[_Parameter]
    precedence: int  # ASP.NET's digits: 1 literal, 2 constrained or mixed, 3 parameter, 4 and 5 catch-all

    @property
    def omissible(self) -> bool:
        """Whether a path may end before this segment."""
        return any(own.catch_all or own.optional or own.default is not None for own in self.parameters)

    @property
    def catch_all(self) -> bool:
        return any(parameter.catch_all for parameter in self.parameters)

    def match(self, text: str) -> dict[str, str] | None:
        """The parameters' values for one part of a path (for a catch-all: the rest of it), or None."""
        matched = self.pattern.fullmatch(text)
        if matched is None:
            return None
        values = matched.groupdict()
        fits = all(check(values[own.name]) for own in self.parameters for check in own.checks)
        return values if fits else None


@dataclass(frozen=True)
class RouteTemplate:
    """A parsed template such as `items/{id:int}/{*rest}`."""

    segments: Sequence[_Segment]

    @classmethod
    def parse(cls, template: str) -> Self:
        """Raises RouteTemplateError with a text that says what is wrong."""
        path = template.strip("/")
        segments = [_parse_segment(part) for part in path.split("/")] if path else []
        names = [own.name.lower() for segment in segments for own in segment.parameters]
        if len(set(names)) < len(names):
            raise RouteTemplateError("a parameter's name appears twice")
        for segment, following in pairwise(segments):
            if segment.catch_all:
                raise RouteTemplateError("a catch-all parameter is followed by something")
            if segment.omissible and not following.omissible:
                raise RouteTemplateError(
                    "an optional parameter is followed by something that is not optional"
                )
        return cls(segments)

    @property
    def precedence(self) -> tuple[int, ...]:
        """Orders templates: the smaller one is the more specific one and is tried first."""
        return tuple(segment.precedence for segment in self.segments)

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The parameters' values for the decoded parts of a path, or None. What is left out is not in it."""
        if len(parts) > len(self.segments) and not (self.segments and self.segments[-1].catch_all):
            return None
        values: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            if index < len(parts):
                found = segment.match("/".join(parts[index:]) if segment.catch_all else parts[index])
                if found is None:
                    return None
                values |= found
            elif segment.omissible:
                values |= {own.name: own.default for own in segment.parameters if own.default is not None}
            else:
                return None
        return values


def _parse_segment(text: str) -> _Segment:
    pattern = ""
    parameters: list[_Parameter] = []
    position = 0
    for match in _PARAMETER.finditer(text):
        pattern += _literal(text[position : match.start()])
        parameter = _parse_parameter(match)
        pattern += f"(?P<{parameter.name}>{'.*' if parameter.catch_all else '.+?'})"
        parameters.append(parameter)
        position = match.end()
    pattern += _literal(text[position:])
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    if not parameters:
        if not text:
            raise RouteTemplateError("there is an empty segment")
        return _Segment(compiled, (), 1)
    mixed = _PARAMETER.fullmatch(text) is None
    last = parameters[-1]
    segment = _Segment(compiled, parameters, 2 if mixed or last.checks else 3)
    if mixed and segment.omissible:
        raise RouteTemplateError(f"the segment '{text}' mixes text with an optional or catch-all parameter")
    if last.catch_all:
        return segment._replace(precedence=4 if last.checks else 5)
    return segment


def _literal(text: str) -> str:
    if "{" in text or "}" in text:
        raise RouteTemplateError(f"'{text}' is not a parameter that this host understands")
    return re.escape(text)


def _parse_parameter(match: re.Match[str]) -> _Parameter:
    checks = [_parse_constraint(*found.groups()) for found in _CONSTRAINT.finditer(match["constraints"])]
    return _Parameter(
        match["name"], checks, match["default"], match["optional"] is not None, bool(match["catch_all"])
    )


def _parse_constraint(name: str, arguments: str | None) -> _Check:
    if arguments is None:
        check = _CONSTRAINTS.get(name.lower())
        if check is not None:
            return check
        raise RouteTemplateError(f"the constraint '{name}' is not known to this host")
    numbers = [part.strip() for part in arguments.split(",")]
    make = _CONSTRAINTS_WITH_NUMBERS.get((name.lower(), len(numbers)))
    if make is None or not all(_INTEGER.fullmatch(number) for number in numbers):
        raise RouteTemplateError(f"the constraint '{name}({arguments})' is not known to this host")
    return make(*map(int, numbers))


class RouteMatch[Target](NamedTuple):
    """The route that takes a request."""

    target: Target
    parameters: dict[str, str]


class RouteTable[Target]:
    """Routes, tried from the most specific to the least specific one."""

    def __init__(self, routes: Iterable[tuple[RouteTemplate, Collection[str], Target]]) -> None:
        """Each route: its template, its methods in upper case, and what `match` shall hand back."""
        self._routes = sorted(routes, key=lambda route: route[0].precedence)

    def match(self, method: str, path: str) -> RouteMatch[Target] | set[str]:
        """The route for a method and a raw (percent-encoded) path without its query string.

        Where no route fits: the methods that the path's routes do have, which is none for an unknown path.
        """
        trimmed = path.removeprefix("/").removesuffix("/")
        parts = [unquote(part) for part in trimmed.split("/")] if trimmed else []
        other_methods: set[str] = set()
        if "" in parts:
            return other_methods
        for template, methods, target in self._routes:
            parameters = template.match(parts)
            if parameters is None:
                continue
            if method in methods:
                return RouteMatch(target, parameters)
            other_methods.update(methods)
        return other_methods
