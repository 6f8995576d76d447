"""A simulator of what a chat function app calls in Azure, on one loopback socket.

It answers Azure OpenAI's v1 chat completions (streamed as Server-Sent Events, or as one JSON document) and
the managed-identity token endpoint of App Service. `Simulator` serves; a test's script decides through an
`Exchange` what one request sees, byte by byte; `shapes` holds every stream and fault worth meeting.
"""

from . import shapes
from .exchange import Exchange, Play
from .identity import TokenRequest
from .simulator import Simulator

__all__ = ["Exchange", "Play", "Simulator", "TokenRequest", "shapes"]
