"""What can keep the host from starting. Every message is meant to be printed as it is."""


class FunctionsHostError(Exception):
    """The host can not start: a broken settings file, a port that can not be bound."""


class AppLoadError(FunctionsHostError):
    """The worker could not load the function app. The text holds the worker's error and its traceback."""


class PortInUseError(FunctionsHostError):
    """Something else listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is in use. Stop what is listening there, or choose another port.")
