"""A local Azure Functions host: the real Python worker library behind a forwarding HTTP server.

Two processes, as in Azure: the host (this package, in the caller's event loop) takes HTTP requests and
forwards them to the HTTP server that the worker library runs in the worker process (`worker.py`).
"""

from typing import TYPE_CHECKING, Any

from .errors import AppLoadError, FunctionsHostError, PortInUseError
from .settings_file import local_settings

if TYPE_CHECKING:
    from .host import FunctionsHost

__all__ = ["AppLoadError", "FunctionsHost", "FunctionsHostError", "PortInUseError", "local_settings"]


def __getattr__(name: str) -> Any:
    """Imported on demand: the worker process, which runs the app, needs nothing of the host's HTTP server."""
    if name == "FunctionsHost":
        from .host import FunctionsHost  # noqa: PLC0415

        return FunctionsHost
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
