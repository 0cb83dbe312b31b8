"""The set-up page: the link that the first start prints leads here, once, to make the first administrator.

The link's token stands in the query, because a fragment would need a script; nothing of ours logs it, the page is not
stored and sends no referrer, the form carries the token on in its body, and it works once.
"""

import hashlib
from base64 import b64encode
from html import escape
from http import HTTPStatus

from jotgate.core.model import User
from jotgate.errors import Invalid, JotgateError
from jotgate.flows import setup as setup_flow
from jotgate.server.account import user_answer
from jotgate.server.gate import Gate
from jotgate.server.reply import Reply, ok, page, see_other
from jotgate.server.request import Request, shaped
from jotgate.server.schemas import SetupBody

_STYLE = """\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:12vh auto;padding:0 1rem}
label{display:block;margin:1rem 0 .25rem}
input,button{font:inherit;width:100%;box-sizing:border-box;padding:.5rem}
button{margin-top:1.5rem}
[role=alert]{border-left:.25rem solid #c33;padding-left:.75rem}
"""
_STYLE_HASH = "sha256-" + b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Set up jotgate</title>
<style>{style}</style>
<main>
<h1>Set up jotgate</h1>
{content}
</main>
</html>
"""
_FORM = """\
<p>This makes the first administrator. The link works once.</p>
{alert}<form method="post" autocomplete="on">
<input type="hidden" name="token" value="{token}">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required value="{email}">
<label for="password">Password, at least {length} characters</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="{length}" required>
<button>Create the administrator</button>
</form>"""
_NO_LINK = "<p>Open the whole set-up link that the first start printed; it is also kept in the data directory.</p>"
_DONE = "<p>The administrator was created. You can log in now, and close this page.</p>"


async def show(gate: Gate, request: Request) -> Reply:
    """GET {prefix}/setup."""
    query = request.query()
    if "done" in query:
        return _page(_DONE)
    token = query.get("token", "")
    return _page(_form(gate, token=token) if token else _NO_LINK)


async def submit(gate: Gate, request: Request) -> Reply:
    """POST {prefix}/setup, by the page's form or as JSON."""
    if not request.is_form():
        body = await request.json(SetupBody)
        return ok(user_answer(await _create(gate, body)), status=HTTPStatus.CREATED)
    given = await request.form()
    try:
        await _create(gate, shaped(given, SetupBody))
    except JotgateError as error:
        return _again(gate, given, error)
    return see_other("?done")  # this same address, whatever it is to the browser


async def _create(gate: Gate, body: SetupBody) -> User:
    return await setup_flow.use(gate.env, body.token, email=body.email, password=body.password)


def _again(gate: Gate, given: dict[str, str], error: JotgateError) -> Reply:
    """The form once more, saying what was wrong; everything but the password is still there."""
    told = error.detail if isinstance(error, Invalid) and error.detail else error.description
    form = _form(gate, token=given.get("token", ""), email=given.get("email", ""), told=told)
    return _page(form, status=error.status, code=error.code)


def _form(gate: Gate, *, token: str, email: str = "", told: str = "") -> str:
    alert = f'<p role="alert">{escape(told)}</p>\n' if told else ""
    length = gate.policy.password_min_length
    return _FORM.format(alert=alert, token=escape(token), email=escape(email), length=length)


def _page(content: str, *, status: int = 200, code: str = "") -> Reply:
    html = _PAGE.format(style=_STYLE, content=content)
    return page(html, style=_STYLE_HASH, status=status, code=code)
