# SPDX-License-Identifier: Apache-2.0
"""The loop of a process that others call: one thread per caller, a bounded number of them, until it is interrupted."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Collection

from gatewright.errors import GatewrightError, LinkError
from gatewright.secure.transport import tls
from gatewright.secure.transport.keys import Keys, PartyRole
from gatewright.secure.transport.tls import Peer

CALLERS = 16
"""At the same time; more wait in the listening socket's queue."""

Log = Callable[[str], None]


def serve(
    listener: socket.socket,
    keys: Keys,
    roles: Collection[PartyRole],
    handle: Callable[[Peer], None],
    log: Log,
    timeout: float,
    calls: int | None = None,
) -> None:
    """Let `handle` talk to every caller with one of these roles; an error ends that call, not the process.

    Args:
        calls: end after so many; None for never.
    """
    secured = tls.context(keys, listening=True)
    places = threading.BoundedSemaphore(CALLERS)
    threads: list[threading.Thread] = []

    def run(sock: socket.socket) -> None:
        try:
            _call(sock, lambda: tls.accept(sock, secured, roles, timeout), handle, log)
        finally:
            places.release()

    with listener:
        while calls is None or calls:
            places.acquire()
            sock, _ = listener.accept()
            threads = [t for t in threads if t.is_alive()]
            threads.append(threading.Thread(target=run, args=(sock,), daemon=True))
            threads[-1].start()
            calls = None if calls is None else calls - 1
    for thread in threads:
        thread.join()


def _call(sock: socket.socket, greet: Callable[[], Peer], handle: Callable[[Peer], None], log: Log) -> None:
    with contextlib.closing(sock):
        try:
            link = greet()
        except LinkError as error:
            log(f"refused: {error}")
            return
        try:
            handle(link)
        except LinkError as error:
            log(f"call ended: {error}")
            link.close()
        except GatewrightError as error:
            log(f"call ended: {error}")
            link.refuse(error)
        except Exception as error:
            # An unknown error may quote data: its type alone goes out.
            log(f"call ended by a defect: {type(error).__name__}")
            link.refuse(LinkError(link.place, "a defect of the other party"))
        finally:
            link.close()
