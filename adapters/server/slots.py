"""How much a server of ours holds at once, for all its clients together and for each of them."""

from __future__ import annotations

import ipaddress
from collections import Counter

from adapters.errors import TooManyRequests

MAX_WAITING = 64  # photos that are here whole, and are drawn or wait for it
MAX_HELD_BYTES = 256 * 1024 * 1024  # of bodies, all requests together
SHARE_OF_ONE = 0.5  # of either, for one client where others may call


class Slots:
    """What is held for each client, which is told by its address. Used by one thread only, the
    event loop's.

    On the loopback everybody has one address, and may take all there is.
    """

    def __init__(self) -> None:
        self.photos: Counter[str] = Counter()
        self.held_bytes: Counter[str] = Counter()

    def check(self, client: str, waiting: Counter[str]) -> None:
        """Raises TooManyRequests where there is no room for one more photo of that client.
        ``waiting``: photos of each client that no request holds any more.
        """
        _check(
            "too many photos wait already; try again", self.photos + waiting, client, 1, MAX_WAITING
        )

    def take(self, client: str) -> None:
        """A photo of that client is here whole."""
        self.photos[client] += 1

    def release(self, client: str) -> None:
        """A photo of that client is answered."""
        self.photos.subtract([client])
        self.photos = +self.photos  # without those that have none

    def hold(self, client: str, size: int) -> None:
        """Counts bytes of a body that came. Raises TooManyRequests, and has not counted them then,
        where there is no room for them.
        """
        message = "other requests fill the memory; try again"
        _check(message, self.held_bytes, client, size, MAX_HELD_BYTES)
        self.held_bytes[client] += size

    def let_go(self, client: str, size: int) -> None:
        """Bytes that were counted are held no more."""
        self.held_bytes.subtract({client: size})
        self.held_bytes = +self.held_bytes


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, which no other can call."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check(message: str, taken: Counter[str], client: str, more: int, limit: int) -> None:
    if taken.total() + more > limit:
        raise TooManyRequests(message, measured=taken.total(), limit=limit)
    share = limit if is_loopback(client) else max(1, int(limit * SHARE_OF_ONE))
    if taken[client] + more > share:
        raise TooManyRequests(
            f"this address alone has as much in work as it may; {message}",
            measured=taken[client],
            limit=share,
        )
