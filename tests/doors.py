"""One driver per contract, all with the same verbs, so that a test can walk through five doors alike."""

import base64
import hashlib
import hmac
import time
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from models.access_key import AccessKey
from models.database import unit_of_work

INDEXY = "/indexy-api/api/v1/users"


class Door:
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


class Dbms(Door):
    """数据库接口管理系统."""

    stem = "dbms"

    def register(self, username: str, password: str) -> Response:
        email = f"{hashlib.sha256(username.encode()).hexdigest()[:16]}@example.com"
        return self.send("POST", "/user", json={"username": username, "password": password, "email": email})

    def log_in(self, username: str, password: str) -> Response:
        return self.send("GET", "/login", params={"username": username, "password": password})

    def credential(self, answer: Response) -> Any:
        return answer.json().get("token")

    def use(self, credential: Any) -> Response:
        return self.send("GET", f"/user/{str(credential).partition('-')[0]}", params={"token": credential})

    def log_out(self, credential: Any) -> Response:
        return self.send("GET", "/logout", params={"token": credential})

    def change_password(self, credential: Any, username: str, old: str, new: str) -> Response:
        user = credential.partition("-")[0]
        return self.send("PUT", f"/user/{user}", params={"token": credential}, json={"password": new})

    def succeeded(self, answer: Response) -> bool:
        return answer.is_success


class Sso(Door):
    """sso单点登录系统."""

    stem = "sso"

    def register(self, username: str, password: str) -> Response:
        return self.send("POST", "/v1/user", json={"username": username, "password": password})

    def log_in(self, username: str, password: str) -> Response:
        body = {"username": username, "password": password}
        return self.send("POST", "/v1/login", json=body, headers={"token": "default"})

    def credential(self, answer: Response) -> Any:
        return answer.json().get("data")

    def use(self, credential: Any) -> Response:
        return self.send("GET", "/v1/auth", headers={"token": str(credential)})

    def log_out(self, credential: Any) -> Response:
        return self.send("GET", "/v1/logout", headers={"token": credential})

    def change_password(self, credential: Any, username: str, old: str, new: str) -> Response:
        body = {"username": username, "password": new}
        return self.send("PUT", "/v1/user", json=body, headers={"token": credential})

    def succeeded(self, answer: Response) -> bool:
        return bool(answer.json()["code"] == "OK")


class Signed(Door):
    """用户; makes an access key of its own."""

    stem = "signed"

    def __init__(self, client: TestClient) -> None:
        super().__init__(client)
        with unit_of_work():
            self.accesskey = AccessKey.create("doors").accesskey

    def act(self, action: str, **request: Any) -> Response:
        """Send one signed request."""
        return self.send("GET", "/openapi/user", params={"action": action, **request, **self.signature(action)})

    def signature(self, action: str) -> dict[str, str]:
        """Return what signs a request, as parameters of its query."""
        expires = int(time.time()) + 3600
        message = f"GET\n\n\n{expires}\n/openapi/user{action}"
        digest = hmac.digest(self.accesskey.encode(), message.encode(), hashlib.sha1)
        return {"accessid": "doors", "expires": str(expires), "signature": base64.b64encode(digest).decode()}

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

    def succeeded(self, answer: Response) -> bool:
        return "errno" not in answer.json()


class Annotation(Door):
    """用户部分及导出."""

    stem = "annotation"

    def register(self, username: str, password: str) -> Response:
        form = {"user_id": username, "user_name": username, "password": password}
        return self.send("POST", "/user/register/", data=form)

    def log_in(self, username: str, password: str) -> Response:
        return self.send("POST", "/user/signin", data={"user_id": username, "password": password})

    def credential(self, answer: Response) -> Any:
        return answer.cookies.get("sessionid")

    def use(self, credential: Any) -> Response:
        return self.send("GET", "/user/other", headers={"cookie": f"sessionid={credential}"})

    def log_out(self, credential: Any) -> Response:
        return self.send("PUT", "/user/other", json={"action": "logout"}, headers={"cookie": f"sessionid={credential}"})

    def change_password(self, credential: Any, username: str, old: str, new: str) -> Response:
        form = {"cur_password": old, "new_password": new}
        return self.send("POST", "/user/change_pasword", data=form, headers={"cookie": f"sessionid={credential}"})

    def succeeded(self, answer: Response) -> bool:
        return bool(answer.json()["ret"] == 0)


class Indexy(Door):
    """智能论文系统; its sessions are asked for under the guarded policy only."""

    stem = "indexy"

    def register(self, username: str, password: str) -> Response:
        body = {"username": username, "password": password, "nickName": username}
        return self.send("POST", f"{INDEXY}/register", json=body)

    def log_in(self, username: str, password: str) -> Response:
        return self.send("POST", f"{INDEXY}/login", json={"username": username, "password": password})

    def credential(self, answer: Response) -> Any:
        return answer.cookies.get("indexy_session")

    def find(self, id: int) -> Response:
        """Read one user."""
        return self.send("GET", f"{INDEXY}/{id}")

    def use_as(self, credential: Any, id: int) -> Response:
        """Read the caller's own user."""
        return self.send("GET", f"{INDEXY}/{id}", headers={"cookie": f"indexy_session={credential}"})

    def succeeded(self, answer: Response) -> bool:
        return bool(answer.json()["success"])


def open_doors(client: TestClient) -> dict[str, Door]:
    """Return one driver per contract."""
    return {door.stem: door(client) for door in (Dbms, Sso, Signed, Annotation, Indexy)}
