"""The addresses at which people reach `kirei serve`, and their QR code."""

from __future__ import annotations

import io
import socket

# Addresses for documentation (RFC 5737, RFC 3849). A datagram socket that is connected to one sends
# nothing, but knows from which of this machine's addresses it would.
OUTSIDE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
EVERYWHERE = frozenset({"0.0.0.0", "::"})


def url_of(host: str, port: int) -> str:
    """Returns the address of a server for a browser on this machine.

    Args:
        host: What the server listens on.
        port: Its port.
    """
    name = "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/"


def network_url(host: str, port: int) -> str | None:
    """Returns the address of a server for a phone in the same network.

    Args:
        host: What the server listens on.
        port: Its port.

    Returns:
        The address; None if only this machine can call, or if it is in no network.
    """
    if host not in EVERYWHERE:
        return None
    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((OUTSIDE[family], 9))
            own = probe.getsockname()[0]
    except OSError:
        return None
    return url_of(own, port)


def with_token(url: str, token: str | None) -> str:
    """Returns an address from which the page takes the token; browsers send nothing after "#"."""
    return f"{url}#token={token}" if token else url


def qr_code(url: str) -> str:
    """Draws a QR code (ISO/IEC 18004) of half blocks, for a terminal; the camera app opens it."""
    import segno

    text = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(text, compact=True, border=2)
    return text.getvalue()
