"""Listening sockets of the host."""

import errno
import socket
from contextlib import ExitStack

from .errors import FunctionsHostError, PortInUseError

_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def listen(port: int) -> list[socket.socket]:
    """Listen on "localhost": on 127.0.0.1 and, where there is IPv6, on ::1. Port 0: a free port of 127.0.0.1.

    Connections wait in the sockets' queues until something accepts them.

    Raises:
        PortInUseError: the port is in use on one of the two.
        FunctionsHostError: it can not be bound for another reason.
    """
    addresses = [(socket.AF_INET, "127.0.0.1")]
    if port != 0 and socket.has_ipv6:
        addresses.append((socket.AF_INET6, "::1"))
    sockets: list[socket.socket] = []
    with ExitStack() as undo:
        for family, address in addresses:
            try:
                sock = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address, port))
                sock.listen(socket.SOMAXCONN)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PortInUseError(port) from error
                if family is socket.AF_INET6 and error.errno in _NO_SUCH_ADDRESS:
                    continue
                raise FunctionsHostError(f"Port {port} can not be bound: {error.strerror}.") from error
            sockets.append(sock)
        undo.pop_all()
    return sockets
