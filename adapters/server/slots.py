"""How much `kirei serve` holds at once, for all clients together and for each of them."""

from __future__ import annotations

import ipaddress
from collections import Counter

from adapters.errors import TooManyRequests

MAX_PHOTOS = 64  # that have arrived, and are drawn or wait
MAX_HELD_BYTES = 256 * 1024 * 1024  # of bodies, all requests together
CLIENT_SHARE = 0.5  # of either, for one client where other machines can call


class Slots:
    """What is held for each client, who is known by its address.

    Only the event loop's thread uses it. On the loopback interface everybody has one address, and
    may take everything.
    """

    def __init__(self) -> None:
        self.photos: Counter[str] = Counter()
        self.held_bytes: Counter[str] = Counter()

    def check(self, client: str, waiting: Counter[str]) -> None:
        """Checks that there is room for one more photo.

        Args:
            client: Who sends it.
            waiting: The number of photos of each client that no request holds any more.

        Raises:
            TooManyRequests: There is no room.
        """
        message = "too many photos are waiting; try again later"
        _check(message, self.photos + waiting, client, 1, MAX_PHOTOS)

    def take(self, client: str) -> None:
        """Counts a photo that has arrived."""
        self.photos[client] += 1

    def release(self, client: str) -> None:
        """Stops counting a photo whose response is ready."""
        self.photos.subtract([client])
        self.photos = +self.photos  # without clients that have none

    def hold(self, client: str, size_bytes: int) -> None:
        """Counts bytes of a body that has arrived.

        Raises:
            TooManyRequests: There is no room; they are not counted then.
        """
        message = "the memory is full of other requests; try again later"
        _check(message, self.held_bytes, client, size_bytes, MAX_HELD_BYTES)
        self.held_bytes[client] += size_bytes

    def let_go(self, client: str, size_bytes: int) -> None:
        """Stops counting bytes that were held."""
        self.held_bytes.subtract({client: size_bytes})
        self.held_bytes = +self.held_bytes


def is_loopback(host: str) -> bool:
    """Tells whether only this machine itself can call a name or an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check(message: str, held: Counter[str], client: str, more: int, limit: int) -> None:
    if held.total() + more > limit:
        raise TooManyRequests(message, measured=held.total(), limit=limit)
    share = limit if is_loopback(client) else max(1, int(limit * CLIENT_SHARE))
    if held[client] + more > share:
        raise TooManyRequests(
            f"this address already uses its whole share: {message}",
            measured=held[client],
            limit=share,
        )
