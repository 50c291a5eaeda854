"""The page behind a mailed link: a plain form that needs no scripts and loads nothing."""

import base64
import hashlib
from html import escape

STYLE = """
body { margin: 0; background: #f4f4f1; color: #222; font: 1rem/1.6 system-ui, sans-serif }
main { max-width: 24rem; margin: 12vh auto; padding: 2rem; border: 1px solid #ddd; background: #fff }
h1 { margin-top: 0; font-size: 1.4rem }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit }
input { margin: .3rem 0 1rem; padding: .5rem; border: 1px solid #767676; border-radius: .25rem }
input[readonly] { border-color: #ddd; background: #f4f4f1 }
button { padding: .6rem; border: 0; border-radius: .25rem; background: #14532d; color: #fff; cursor: pointer }
:focus-visible { outline: 3px solid #ca8a04; outline-offset: 2px }
@media (prefers-color-scheme: dark) {
  body { background: #1b1b1a; color: #eee }
  main { background: #262625; border-color: #444 }
  input { background: #1b1b1a; color: #eee }
  input[readonly] { border-color: #444; background: #262625 }
}
"""

STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
}


def form(username: str, code: str, refusal: str = "") -> str:
    """Return the page that asks for a new password. refusal: why the one that was sent will not do."""
    told = f'<p role="alert">{escape(refusal)} <span lang="en">Choose another password.</span></p>\n' if refusal else ""
    return _page(
        "重设密码",
        "Set a new password",
        f"""{told}<form method="post" action="link" accept-charset="utf-8">
<label for="username">用户名 <span lang="en">Username</span></label>
<input id="username" value="{escape(username)}" autocomplete="username" readonly>
<label for="newPassword">新密码 <span lang="en">New password</span></label>
<input id="newPassword" name="newPassword" type="password" maxlength="256" autocomplete="new-password"
 aria-describedby="advice" required>
<p id="advice">几个互不相关的词连在一起，容易记，也难以猜到；任何字符都可以用。
<span lang="en">A few words that have nothing to do with each other are easy to keep and hard to guess.
Any characters will do.</span></p>
<input type="hidden" name="code" value="{escape(code)}">
<button>重设密码 <span lang="en">Set password</span></button>
</form>""",
    )


def done() -> str:
    """Return the page that says that the password is set."""
    return _page(
        "密码已重设",
        "The password is set",
        """<p>请用新密码登录。其他设备上的登录均已失效。</p>
<p lang="en">Log in with the new password. All earlier logins have ended.</p>""",
    )


def refusal(text: str) -> str:
    """Return the page that says why the password was not set."""
    return _page(
        text,
        "The link does not work",
        """<p>链接只能使用一次，并且会过期。请重新申请找回密码。</p>
<p lang="en">A link works once, and not for long. Ask for a new one.</p>""",
    )


def _page(title: str, english: str, content: str) -> str:
    return f"""<!doctype html>
<html lang="zh">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<main>
<h1>{escape(title)}<br><small lang="en">{escape(english)}</small></h1>
{content}
</main>
</html>
"""
