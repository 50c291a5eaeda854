"""One driver per contract, all with the same verbs, so that a test can walk through five clients alike."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import quote

from httpx2 import Response
from starlette.testclient import TestClient

from models import clock
from models.access_key import AccessKey
from models.db.database import transaction

INDEXY = "/indexy-api/api/v1/users"


class ContractClient:
    """A contract seen from its client. A credential is what the contract gave at login."""

    stem: str

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def send(self, method: str, path: str, **options: Any) -> Response:
        """Send a request without the cookies of earlier ones."""
        self.client.cookies.clear()
        answer: Response = self.client.request(method, path, **options)
        self.client.cookies.clear()
        return answer

    def register(self, username: str, password: str) -> Response:
        """Make an account."""
        raise NotImplementedError

    def log_in(self, username: str, password: str) -> Response:
        """Log in."""
        raise NotImplementedError

    def credential(self, answer: Response) -> Any:
        """Return what a login gave, or None."""
        raise NotImplementedError

    def use(self, credential: Any) -> Response:
        """Do something that needs a live session."""
        raise NotImplementedError

    def log_out(self, credential: Any) -> Response:
        """End the session."""
        raise NotImplementedError

    def change_password(self, credential: Any, username: str, old: str, new: str) -> Response:
        """Set a new password."""
        raise NotImplementedError

    def succeeded(self, answer: Response) -> bool:
        """Tell whether an answer says yes in the words of its contract."""
        raise NotImplementedError

    def enter(self, username: str, password: str) -> Any:
        """Log in and return the credential, or None."""
        return self.credential(self.log_in(username, password))

    def is_live(self, credential: Any) -> bool:
        """Tell whether the credential is accepted."""
        return self.succeeded(self.use(credential))


class Dbms(ContractClient):
    """数据库接口管理系统."""

    stem = "dbms"

    def register(self, username: str, password: str) -> Response:
        body = {"username": username, "password": password, "email": self.email_of(username)}
        return self.send("POST", "/user", json=body)

    @staticmethod
    def email_of(username: str) -> str:
        """Return the e-mail address that an account is registered with, for the contract asks for one."""
        return f"{hashlib.sha256(username.encode()).hexdigest()[:16]}@example.com"

    def log_in(self, username: str, password: str) -> Response:
        return self.send("GET", "/login", params={"username": username, "password": password})

    def credential(self, answer: Response) -> Any:
        return answer.json().get("token")

    def use(self, credential: Any) -> Response:
        return self.send("GET", f"/user/{str(credential).partition('-')[0]}", params={"token": credential})

    def log_out(self, credential: Any) -> Response:
        return self.send("GET", "/logout", params={"token": credential})

    def change_password(self, credential: Any, username: str, old: str, new: str) -> Response:
        return self.update(credential, credential.partition("-")[0], password=new)

    def update(self, credential: Any, id_or_username: Any, **fields: str) -> Response:
        """Change an account."""
        return self.send("PUT", f"/user/{quote(str(id_or_username))}", params={"token": credential}, json=fields)

    def find(self, credential: Any, id_or_username: Any) -> Response:
        """Read an account."""
        return self.send("GET", f"/user/{quote(str(id_or_username))}", params={"token": credential})

    def confirm(self, credential: Any, id_or_username: Any, method: str, **body: str) -> Response:
        """Have the code sent that proves an e-mail address (POST), or prove it (PUT)."""
        path = f"/user/{quote(str(id_or_username))}/email/confirmation"
        return self.send(method, path, params={"token": credential}, json=body)

    def check_login(self, username: str, token: Any) -> Response:
        """Exchange a live token for a new one."""
        return self.send("GET", "/valid_login", params={"username": username, "token": token})

    def succeeded(self, answer: Response) -> bool:
        return answer.is_success


class Sso(ContractClient):
    """sso单点登录系统."""

    stem = "sso"

    def register(self, username: str, password: str) -> Response:
        return self.send("POST", "/v1/user", json={"username": username, "password": password})

    def log_in(self, username: str, password: str, token: str = "default") -> Response:
        body = {"username": username, "password": password}
        return self.send("POST", "/v1/login", json=body, headers={"token": token})

    def credential(self, answer: Response) -> Any:
        return answer.json().get("data")

    def use(self, credential: Any) -> Response:
        return self.send("GET", "/v1/auth", headers={"token": str(credential)})

    def log_out(self, credential: Any) -> Response:
        return self.send("GET", "/v1/logout", headers={"token": credential})

    def change_password(self, credential: Any, username: str, old: str, new: str) -> Response:
        return self.update(credential, username, new)

    def update(self, credential: Any, username: str, password: str) -> Response:
        """Set the password, and the username if it differs."""
        body = {"username": username, "password": password}
        return self.send("PUT", "/v1/user", json=body, headers={"token": credential})

    def list_accounts(self, credential: Any) -> Response:
        """List all accounts in order of id."""
        return self.send("GET", "/v1/user/list", headers={"token": credential})

    def succeeded(self, answer: Response) -> bool:
        return bool(answer.json()["code"] == "OK")


class Signed(ContractClient):
    """用户; makes an access key of its own, unless it is given one."""

    stem = "signed"

    def __init__(self, client: TestClient, accesskey: str = "") -> None:
        super().__init__(client)
        self.accesskey = accesskey or self.make_key()

    @staticmethod
    def make_key() -> str:
        """Make the access key of the clients."""
        with transaction():
            return AccessKey.create("clients").accesskey

    def act(self, action: str, **request: Any) -> Response:
        """Send one signed request."""
        return self.send("GET", "/openapi/user", params={"action": action, **request, **self.signature(action)})

    def signature(self, action: str) -> dict[str, str]:
        """Return what signs a request, as parameters of its query."""
        expires = clock.now() + 3600
        message = f"GET\n\n\n{expires}\n/openapi/user{action}"
        digest = hmac.digest(self.accesskey.encode(), message.encode(), hashlib.sha1)
        return {"accessid": "clients", "expires": str(expires), "signature": base64.b64encode(digest).decode()}

    def register(self, username: str, password: str) -> Response:
        return self.act("register", userid=username, password=password)

    def log_in(self, username: str, password: str) -> Response:
        return self.act("login", userid=username, password=password)

    def credential(self, answer: Response) -> Any:
        return answer.json().get("token")

    def use(self, credential: Any) -> Response:
        return self.act("update", token=credential)

    def log_out(self, credential: Any) -> Response:
        userid = self.use(credential).json().get("userid", "nobody")
        return self.act("logout", userid=userid, token=credential)

    def change_password(self, credential: Any, username: str, old: str, new: str) -> Response:
        return self.act("update", userid=username, token=credential, password=new)

    def unregister(self, credential: Any, username: str) -> Response:
        """Delete the account."""
        return self.act("unregister", userid=username, token=credential)

    def succeeded(self, answer: Response) -> bool:
        return "errno" not in answer.json()


class Annotation(ContractClient):
    """用户部分及导出. method: by which all actions are asked for, if not each by the documented one."""

    stem = "annotation"
    method = ""

    def register(self, username: str, password: str) -> Response:
        form = {"user_id": username, "user_name": username, "password": password}
        return self.send("POST", "/user/register/", data=form)

    def log_in(self, username: str, password: str, credential: Any = None) -> Response:
        form = {"user_id": username, "password": password}
        return self.send("POST", "/user/signin", data=form, headers=self._cookie(credential))

    def credential(self, answer: Response) -> Any:
        return answer.cookies.get("sessionid")

    def use(self, credential: Any) -> Response:
        return self.read(credential)

    def log_out(self, credential: Any) -> Response:
        return self.act(credential, "logout")

    def act(self, credential: Any, action: str, **fields: str) -> Response:
        """Befriend, invite, log out."""
        return self.send(
            self.method or "PUT", "/user/other", json={"action": action, **fields}, headers=self._cookie(credential)
        )

    def change_name(self, credential: Any, name: str) -> Response:
        """Change the display name."""
        body = {"action": "change_name", "user_name": name}
        return self.send(self.method or "POST", "/user/other", json=body, headers=self._cookie(credential))

    def read(self, credential: Any, action: str = "", **fields: str) -> Response:
        """Read the own data, a list or an export."""
        query = {"action": action, **fields} if action else {}
        if self.method:
            return self.send(self.method, "/user/other", json=query, headers=self._cookie(credential))
        return self.send("GET", "/user/other", params=query, headers=self._cookie(credential))

    @staticmethod
    def _cookie(credential: Any) -> dict[str, str]:
        return {"cookie": f"sessionid={credential}"} if credential else {}

    def change_password(self, credential: Any, username: str, old: str, new: str) -> Response:
        form = {"cur_password": old, "new_password": new}
        return self.send("POST", "/user/change_pasword", data=form, headers=self._cookie(credential))

    def succeeded(self, answer: Response) -> bool:
        return bool(answer.json()["ret"] == 0)


class Indexy(ContractClient):
    """智能论文系统; its sessions are asked for under the guarded policy only."""

    stem = "indexy"

    def register(self, username: str, password: str) -> Response:
        body = {"username": username, "password": password, "nickName": username}
        return self.send("POST", f"{INDEXY}/register", json=body)

    def log_in(self, username: str, password: str) -> Response:
        return self.send("POST", f"{INDEXY}/login", json={"username": username, "password": password})

    def credential(self, answer: Response) -> Any:
        return answer.cookies.get("indexy_session")

    def find(self, id: int, credential: Any = None) -> Response:
        """Read one user."""
        return self.as_(credential, "GET", f"/{id}")

    def list_accounts(self, credential: Any = None) -> Response:
        """List all users in order of id."""
        return self.as_(credential, "GET", "", params={"order": "id,asc", "size": 1000})

    def create(self, credential: Any = None, **fields: str) -> Response:
        """Make an account for somebody."""
        return self.as_(credential, "POST", "", json=fields)

    def update(self, id: int, credential: Any = None, **fields: str) -> Response:
        """Change a user."""
        return self.as_(credential, "PUT", f"/{id}", json=fields)

    def delete(self, id: int, credential: Any = None) -> Response:
        """Delete a user."""
        return self.as_(credential, "DELETE", f"/{id}")

    def change_password_of(self, id: int, old: str, new: str, credential: Any = None) -> Response:
        """Set a new password by the old one."""
        return self.as_(credential, "PUT", f"/{id}/password", json={"oldPassword": old, "newPassword": new})

    def confirm(self, id: Any, credential: Any, method: str, channel: str, **body: str) -> Response:
        """Have the code sent that proves an address or number (POST), or prove it (PUT)."""
        return self.as_(credential, method, f"/{id}/{channel}/confirmation", json=body)

    def request_code(self, mobile: str) -> Response:
        """Have a code sent to a mobile."""
        return self.send("POST", f"{INDEXY}/password/mobile/captcha", json={"mobile": mobile})

    def recover_by_mobile(self, mobile: str, code: str, new: str) -> Response:
        """Set a new password by a code."""
        body = {"mobile": mobile, "msCaptcha": code, "newPassword": new}
        return self.send("POST", f"{INDEXY}/password/mobile", json=body)

    def request_link(self, email: str) -> Response:
        """Have a link mailed."""
        return self.send("POST", f"{INDEXY}/password/email", json={"email": email})

    def show_reset_form(self, secret: str) -> Response:
        """Look at the page behind a mailed link."""
        return self.send("GET", f"{INDEXY}/password/email/link", params={"code": secret})

    def recover_by_link(self, secret: str, new: str) -> Response:
        """Set a new password by a mailed link."""
        return self.send("POST", f"{INDEXY}/password/email/link", data={"code": secret, "newPassword": new})

    def as_(self, credential: Any, method: str, path: str, **options: Any) -> Response:
        """Send a request with a session's cookie, or without one."""
        cookie = {"cookie": f"indexy_session={credential}"} if credential else {}
        return self.send(method, INDEXY + path, headers=cookie, **options)

    def succeeded(self, answer: Response) -> bool:
        return bool(answer.json()["success"])


def open_clients(client: TestClient) -> dict[str, ContractClient]:
    """Return one driver per contract."""
    return {door.stem: door(client) for door in (Dbms, Sso, Signed, Annotation, Indexy)}
