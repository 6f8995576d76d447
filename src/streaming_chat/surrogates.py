"""Half surrogate pairs, which JSON can spell (RFC 8259, section 8.2) and no UTF-8 can hold."""

from __future__ import annotations

from typing import Any, cast


def replace_lone_surrogates(value: Any) -> Any:
    """The JSON value, with U+FFFD for each lone surrogate in its strings."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [replace_lone_surrogates(item) for item in cast("list[Any]", value)]
        case dict():
            members = cast("dict[str, Any]", value).items()
            return {replace_lone_surrogates(name): replace_lone_surrogates(item) for name, item in members}
        case _:
            return value
