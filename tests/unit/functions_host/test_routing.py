import pytest

from functions_host.routing import RouteMatch, RouteTable, RouteTemplate, RouteTemplateError


def match(template: str, path: str) -> dict[str, str] | None:
    table = RouteTable([(RouteTemplate.parse(template), {"GET"}, None)])
    found = table.match("GET", path)
    return found.parameters if isinstance(found, RouteMatch) else None


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("api/stream", "/api/stream", {}),
        ("api/stream", "/API/Stream", {}),
        ("api/stream", "/api/stream/", {}),
        ("api/stream", "/api/streams", None),
        ("api/stream", "/api", None),
        ("api/stream", "/api//stream", None),
        ("/api/stream/", "/api/stream", {}),
        ("", "/", {}),
        ("", "/a", None),
        ("a/{name}", "/a/Ann", {"name": "Ann"}),
        ("a/{name}", "/a/%41nn%20%C3%A4", {"name": "Ann ä"}),
        ("a/{name}", "/a/100%2525", {"name": "100%25"}),
        ("a/{name}", "/a/b%2Fc", {"name": "b/c"}),
        ("a/{name}", "/a", None),
        ("a/{name}", "/a/b/c", None),
        ("a/{name?}", "/a", {}),
        ("a/{name?}", "/a/b", {"name": "b"}),
        ("a/{name=Ann}", "/a", {"name": "Ann"}),
        ("a/{name=Ann}", "/a/Bob", {"name": "Bob"}),
        ("a/{x=1}/{y?}", "/a", {"x": "1"}),
        ("a/{id:int}", "/a/-12", {"id": "-12"}),
        ("a/{id:int}", "/a/2147483648", None),
        ("a/{id:long}", "/a/2147483648", {"id": "2147483648"}),
        ("a/{id:int}", "/a/x", None),
        ("a/{id:int?}", "/a", {}),
        ("a/{id:INT:range(1,5)}", "/a/5", {"id": "5"}),
        ("a/{id:int:range(1,5)}", "/a/6", None),
        (
            "a/{id:guid}",
            "/a/0f8fad5b-d9cb-469f-a165-70867728950e",
            {"id": "0f8fad5b-d9cb-469f-a165-70867728950e"},
        ),
        ("a/{id:guid}", "/a/0f8fad5b", None),
        ("a/{x:alpha:length(2)}", "/a/ab", {"x": "ab"}),
        ("a/{x:alpha:length(2)}", "/a/a1", None),
        ("a/{x:bool}", "/a/True", {"x": "True"}),
        ("a/{x:double}", "/a/1.5e3", {"x": "1.5e3"}),
        ("a/{x:double}", "/a/e", None),
        ("a/{*rest}", "/a/b/c%2Fd", {"rest": "b/c/d"}),
        ("a/{**rest}", "/a", {}),
        ("files/{name}.{extension}", "/files/a.b.txt", {"name": "a", "extension": "b.txt"}),
        ("v{version:int}/x", "/v2/x", {"version": "2"}),
    ],
)
def test_match(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert match(template, path) == expected


def test_the_most_specific_route_that_has_the_method_wins() -> None:
    templates = ["{*rest}", "{name}", "{name:int}", "fixed", "fixed/{x?}"]
    table = RouteTable([(RouteTemplate.parse(text), {"GET"}, text) for text in templates])
    post = RouteTemplate.parse("FIXED")
    both = RouteTable([(post, {"POST"}, "post"), (RouteTemplate.parse("{name}"), {"GET"}, "get")])

    def target(path: str) -> object:
        found = table.match("GET", path)
        return found.target if isinstance(found, RouteMatch) else found

    assert target("/fixed") == "fixed"
    assert target("/fixed/1") == "fixed/{x?}"
    assert target("/12") == "{name:int}"
    assert target("/x") == "{name}"
    assert target("/x/y") == "{*rest}"
    assert both.match("GET", "/fixed") == RouteMatch("get", {"name": "fixed"})
    assert both.match("PUT", "/fixed") == {"GET", "POST"}
    assert both.match("GET", "/a/b") == set()


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a/{id:colour}", "'colour'"),
        ("a/{id:length(x)}", "length"),
        ("a/{id:regex(^a$)}", "regex"),
        ("a/{", "{"),
        ("a/{x}/{X}", "twice"),
        ("a/{*x}/b", "catch-all"),
        ("a/{x?}/b", "optional"),
        ("a/b{x?}", "mixes"),
        ("a//b", "empty"),
    ],
)
def test_a_template_that_is_not_understood_is_refused(template: str, text: str) -> None:
    with pytest.raises(RouteTemplateError) as raised:
        RouteTemplate.parse(template)
    assert text in str(raised.value)
