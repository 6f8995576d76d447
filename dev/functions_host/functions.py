"""The functions of an app that HTTP requests reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import AppLoadError
from .routing import RouteTable, RouteTemplate, RouteTemplateError
from .worker_process import IndexedFunction, LoadedApp

# The methods that the worker's HTTP server routes (azurefunctions.extensions.http.fastapi, WebApp.route).
_ALL_METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")


@dataclass(frozen=True)
class HttpFunction:
    """A function with an HTTP trigger."""

    name: str
    methods: Sequence[str]
    url: str
    """Its route on this host, with parameters as in the template: http://localhost:7071/api/items/{id}"""
    function_id: str
    parameter: str
    """The name of the trigger's parameter."""
    template: RouteTemplate
    needs_key: bool
    """Whether its authorization level asks for an access key."""


def http_functions(app: LoadedApp, app_directory: Path, script: str, base_url: str) -> list[HttpFunction]:
    """The app's HTTP functions on a host whose routes begin with `base_url`'s path.

    Raises:
        AppLoadError: there is none, a route is not understood, or the app does not use HTTP streaming.
    """
    if app.functions is None and not (app_directory / script).exists():
        raise AppLoadError(f"{app_directory} has no {script}.")
    functions = [http for each in app.functions or () for http in _http_triggers(each, base_url)]
    if not functions:
        raise AppLoadError(f"{app_directory / script} has no function with an HTTP trigger.")
    if app.http_uri is None:
        raise AppLoadError(
            f"{app_directory / script} does not use HTTP streaming: nothing in it imports "
            "azurefunctions.extensions.http.fastapi. This host runs only apps that do."
        )
    return functions


def route_table(functions: Sequence[HttpFunction]) -> RouteTable[HttpFunction]:
    """The table that finds the function for a request's method and path."""
    return RouteTable((function.template, function.methods, function) for function in functions)


def _http_triggers(function: IndexedFunction, base_url: str) -> Iterator[HttpFunction]:
    for binding in function.bindings:
        if binding["type"] != "httpTrigger":
            continue
        origin, _, prefix = base_url.partition("://")[2].partition("/")
        # An empty route is the function's name, as in Azure.
        route = "/".join(filter(None, (prefix, (binding.get("route") or function.name).strip("/"))))
        try:
            template = RouteTemplate.parse(route)
        except RouteTemplateError as error:
            raise AppLoadError(f"The route '{route}' of the function '{function.name}': {error}.") from error
        yield HttpFunction(
            name=function.name,
            methods=[method.upper() for method in binding.get("methods") or _ALL_METHODS],
            url=f"http://{origin}/{route}",
            function_id=function.function_id,
            parameter=binding["name"],
            template=template,
            needs_key=binding.get("authLevel", "FUNCTION").upper() != "ANONYMOUS",
        )
