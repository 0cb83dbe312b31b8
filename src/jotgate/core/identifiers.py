"""E-mail addresses and user names, normalised: equal after this means the same user.

    what        form                 allowed
    ----        ----                 -------
    email       NFC, case-folded     one @ with something on both sides, 254 bytes, nothing blank or invisible
    username    NFKC, case-folded    1 to 64 characters, no @, nothing blank or invisible

Unassigned code points are refused: the next version of Unicode may fold them differently. Letters of different scripts
that look alike are told apart, not forbidden.
"""

import unicodedata
from collections.abc import Sequence
from typing import Literal

from jotgate.errors import Invalid

MAX_EMAIL_BYTES = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
MAX_LOCAL_BYTES = 64
MAX_USERNAME_LENGTH = 64
_MAX_RAW_LENGTH = 512  # before normalising, which may lengthen
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


def normalise_email(text: str) -> str:
    """The form that is kept and compared. Raises `Invalid` naming the field."""
    email = _folded(text, "NFC", field="email")
    local, at, domain = email.rpartition("@")
    if not at or not local or not domain or "@" in local:
        raise Invalid("an e-mail address has one @ with something on both sides", field="email")
    if len(email.encode()) > MAX_EMAIL_BYTES or len(local.encode()) > MAX_LOCAL_BYTES:
        raise Invalid(
            f"an e-mail address has at most {MAX_EMAIL_BYTES} bytes, {MAX_LOCAL_BYTES} before the @", field="email"
        )
    if domain.startswith((".", "-")) or domain.endswith((".", "-")) or ".." in domain:
        raise Invalid("the part after the @ is not a domain", field="email")
    return email


def normalise_username(text: str) -> str:
    """The form that is kept and compared. Raises `Invalid` naming the field."""
    username = _folded(text, "NFKC", field="username")
    if "@" in username:
        raise Invalid("a user name has no @", field="username")
    if not 1 <= len(username) <= MAX_USERNAME_LENGTH:
        raise Invalid(f"a user name has 1 to {MAX_USERNAME_LENGTH} characters", field="username")
    return username


def for_login(email: str | None, username: str | None, *, login_by: Sequence[str]) -> tuple[str | None, str | None]:
    """Both normalised, with what a login needs among them. Raises `Invalid` naming the field.

    Where only user names log in, the part before the @ is the user name of who gives none.
    """
    if email is not None:
        email = normalise_email(email)
        username = email.partition("@")[0] if username is None and "email" not in login_by else username
    username = None if username is None else normalise_username(username)
    if all({"email": email, "username": username}[kind] is None for kind in login_by):
        raise Invalid(f"{' or '.join(login_by)}: needed to log in", field=login_by[0])
    return email, username


def _folded(text: str, form: Literal["NFC", "NFKC"], *, field: str) -> str:
    if len(text) > _MAX_RAW_LENGTH:
        raise Invalid("this is too long", field=field)
    folded = text.strip()
    if folded.isascii() and folded.isprintable() and " " not in folded:
        return folded.lower()
    for _ in range(2):  # folding can undo normalising and the reverse; twice settles every code point
        folded = unicodedata.normalize(form, unicodedata.normalize(form, folded).casefold())
    if any(unicodedata.category(character) in _UNSEEN for character in folded):
        raise Invalid("spaces and invisible characters are not allowed here", field=field)
    return folded
