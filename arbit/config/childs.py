"""What a process of ours is given of the environment."""

from __future__ import annotations

import os

# What Python and a system need to find and start a program, in its language and time.
_NAMES = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV"),
        *("TEMP", "TMP", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "USERPROFILE", "APPDATA"),
    )
)
# Guix and Nix say there where Python finds what it imports, a FIPS host how its OpenSSL is set up.
_BEGINNINGS = ("LC_", "LD_", "DYLD_", "PYTHON", "NIX_", "GUIX_", "OPENSSL_")


def childs_environment() -> dict[str, str]:
    """What Python and the system need to start it, and nothing else, ours or others'.

    An environment holds secrets that we have never heard of.
    """
    return {
        name: text
        for name, text in os.environ.items()
        if name.upper() in _NAMES or name.upper().startswith(_BEGINNINGS)
    }
