"""The second parser, and the form in which the two parsers' trees are compared.

`from_tree_sitter` reads the text with tree-sitter-bicep, a grammar that shares no code with `parser`. Both
trees become nested tuples of the same shape; where they differ, one of the parsers misread the text.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import tree_sitter
import tree_sitter_bicep

from infra.bicep import syntax as s

if TYPE_CHECKING:
    from collections.abc import Callable

type Outline = str | int | bool | tuple[Outline, ...] | None


@cache
def _tree_sitter() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))


def from_tree_sitter(path: str, text: str) -> tuple[Outline, ...]:
    """The outline as tree-sitter-bicep reads it. Raises BicepError where it cannot."""
    root = _tree_sitter().parse(text.encode()).root_node
    if root.has_error:
        node = _first_error(root)
        raise s.BicepError(
            path, node.start_point.row + 1, f"tree-sitter-bicep reads no Bicep: {_text(node)[:60]!r}"
        )
    return _Second(path).declarations(root)


def _first_error(node: tree_sitter.Node) -> tree_sitter.Node:
    if node.is_error or node.is_missing:
        return node
    return next((_first_error(child) for child in node.children if child.has_error), node)


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()


class _Second:
    """tree-sitter's nodes as outlines."""

    def __init__(self, path: str) -> None:
        self.path = path

    def declarations(self, root: tree_sitter.Node) -> tuple[Outline, ...]:
        found: list[Outline] = []
        decorators: tuple[Outline, ...] = ()
        for node in root.named_children:
            if node.type in {"comment", "diagnostic_comment"}:
                continue
            if node.type == "decorators":
                decorators = tuple(self.of(child) for child in node.named_children)
                continue
            found.append(("declare", decorators, self.of(node)))
            decorators = ()
        return tuple(found)

    def of(self, node: tree_sitter.Node) -> Outline:
        """The outline of one node. Refuses a kind of node that it does not know."""
        method: Callable[[tree_sitter.Node], Outline] | None = getattr(self, f"_{node.type}", None)
        if method is None:
            line = node.start_point.row + 1
            raise s.BicepError(self.path, line, f"this construct is not understood: {node.type}")
        return method(node)

    def _all(self, node: tree_sitter.Node) -> tuple[Outline, ...]:
        skipped = {"comment", "diagnostic_comment"}
        return tuple(self.of(child) for child in node.named_children if child.type not in skipped)

    def _identifier(self, node: tree_sitter.Node) -> Outline:
        return ("name", _text(node))

    _property_identifier = _loop_variable = _loop_enumerator = _identifier

    def _primitive_type(self, node: tree_sitter.Node) -> Outline:
        return ("name", _text(node))

    def _number(self, node: tree_sitter.Node) -> Outline:
        value = int(_text(node).replace(" ", ""))
        return ("unary", "-", -value) if value < 0 else value

    def _boolean(self, node: tree_sitter.Node) -> Outline:
        return _text(node) == "true"

    def _null(self, node: tree_sitter.Node) -> Outline:
        del node
        return None

    def _string(self, node: tree_sitter.Node) -> Outline:
        escapes = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\\\": "\\", "\\'": "'", "\\$": "$", "\\${": "${"}
        parts: list[Outline] = []
        literal = ""
        multi_line = _text(node).startswith("'''")
        for child in node.named_children:
            if child.type == "interpolation":
                parts += [literal] if literal else []
                literal = ""
                parts.append(self.of(child.named_children[0]))
            else:
                text = _text(child)
                literal += escapes[text] if child.type == "escape_sequence" else text
        literal = literal.removeprefix("\n") if multi_line else literal
        return ("text", *parts, *([literal] if literal else []))

    def _array(self, node: tree_sitter.Node) -> Outline:
        return ("array", *self._all(node))

    def _object(self, node: tree_sitter.Node) -> Outline:
        found: list[Outline] = []
        decorators: tuple[Outline, ...] = ()
        for child in node.named_children:
            if child.type in {"comment", "diagnostic_comment"}:
                continue
            if child.type in {"decorator", "decorators"}:
                listed = [child] if child.type == "decorator" else child.named_children
                decorators += tuple(self.of(item) for item in listed)
                continue
            found.append((*decorators, *self._as_tuple(self.of(child))))
            decorators = ()
        return ("object", *found)

    @staticmethod
    def _as_tuple(outline: Outline) -> tuple[Outline, ...]:
        return outline if isinstance(outline, tuple) else (outline,)

    def _object_property(self, node: tree_sitter.Node) -> Outline:
        first, *rest = [child for child in node.named_children if child.type != "comment"]
        if first.type == "resource_declaration":
            return self.of(first)
        key: Outline = ("text", _text(first)) if first.type == "identifier" else self.of(first)
        decorators = tuple(self.of(child) for child in rest[:-1])
        return (*decorators, "property", key, self.of(rest[-1]))

    def _call_expression(self, node: tree_sitter.Node) -> Outline:
        function, arguments = node.named_children[0], node.named_children[-1]
        return ("call", self.of(function), *self._all(arguments))

    def _decorator(self, node: tree_sitter.Node) -> Outline:
        return self.of(node.named_children[0])

    def _member_expression(self, node: tree_sitter.Node) -> Outline:
        base, name = node.named_children
        safe = ".?" in [child.type for child in node.children]
        return self._accessor(node, base, lambda inner: ("member", inner, safe, _text(name)))

    def _subscript_expression(self, node: tree_sitter.Node) -> Outline:
        base, index = node.named_children
        safe = any(child.type in {"?", "[?"} for child in node.children)
        return self._accessor(node, base, lambda inner: ("index", inner, safe, self.of(index)))

    def _accessor(
        self, node: tree_sitter.Node, base: tree_sitter.Node, access: Callable[[Outline], Outline]
    ) -> Outline:
        """What stands behind `.` or `[` belongs to the last operand before it.

        tree-sitter-bicep 1.1.0 reads `a ? b : c[0]` as `(a ? b : c)[0]`; the parentheses that would mean
        that are a node of their own.
        """
        outline = self.of(base)
        if base.type in {"ternary_expression", "binary_expression", "unary_expression"}:
            *first, last = self._as_tuple(outline)
            return (*first, access(last))
        return access(("not-null", outline) if "!" in [child.type for child in node.children] else outline)

    def _resource_expression(self, node: tree_sitter.Node) -> Outline:
        base, name = node.named_children
        return ("nested", self.of(base), _text(name))

    def _binary_expression(self, node: tree_sitter.Node) -> Outline:
        left, right = node.named_children
        return ("binary", node.children[1].type, self.of(left), self.of(right))

    def _unary_expression(self, node: tree_sitter.Node) -> Outline:
        return ("unary", node.children[0].type, self.of(node.named_children[0]))

    def _ternary_expression(self, node: tree_sitter.Node) -> Outline:
        return ("ternary", *self._all(node))

    def _parenthesized_expression(self, node: tree_sitter.Node) -> Outline:
        return self._all(node)[0]

    _parenthesized_type = _parenthesized_expression

    def _lambda_expression(self, node: tree_sitter.Node) -> Outline:
        *parameters, body = [child for child in node.named_children if child.type != "comment"]
        return ("lambda", *(_text(p).strip("()").replace(" ", "") for p in parameters), self.of(body))

    def _for_loop_parameters(self, node: tree_sitter.Node) -> Outline:
        return self._all(node)

    def _for_statement(self, node: tree_sitter.Node) -> Outline:
        variables, source, body = [child for child in node.named_children if child.type != "comment"]
        names = self.of(variables)
        listed = names if variables.type == "for_loop_parameters" else (names,)
        return ("for", listed, self.of(source), self.of(body))

    def _if_statement(self, node: tree_sitter.Node) -> Outline:
        return ("if", *self._all(node))

    def _type(self, node: tree_sitter.Node) -> Outline:
        return self._all(node)[0]

    def _nullable_type(self, node: tree_sitter.Node) -> Outline:
        mark = "nullable" if _text(node).endswith("?") else "not-null"
        return (mark, self._all(node)[0])

    def _array_type(self, node: tree_sitter.Node) -> Outline:
        return ("array-of", self._all(node)[0])

    def _union_type(self, node: tree_sitter.Node) -> Outline:
        return ("union", *self._all(node))

    def _target_scope_assignment(self, node: tree_sitter.Node) -> Outline:
        return ("targetScope", *self._all(node))

    def _metadata_declaration(self, node: tree_sitter.Node) -> Outline:
        return ("metadata", *self._all(node))

    def _type_declaration(self, node: tree_sitter.Node) -> Outline:
        return ("type", *self._all(node))

    def _parameter_declaration(self, node: tree_sitter.Node) -> Outline:
        return ("param", *self._all(node))

    def _variable_declaration(self, node: tree_sitter.Node) -> Outline:
        return ("var", *self._all(node))

    def _output_declaration(self, node: tree_sitter.Node) -> Outline:
        return ("output", *self._all(node))

    def _resource_declaration(self, node: tree_sitter.Node) -> Outline:
        existing = any(child.type == "existing" for child in node.children)
        return ("resource", existing, *self._all(node))

    def _module_declaration(self, node: tree_sitter.Node) -> Outline:
        return ("module", *self._all(node))
