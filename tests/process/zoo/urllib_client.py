"""A script of the time of urllib: every body is labelled as a form, failures are thrown, cookies are cut out by hand."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import time
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

URL = os.environ["ZOO_URL"]
numbers = iter(range(1, 1000))
last = 0


def check(name: str, good: object, answer: object = "") -> None:
    global last
    last = next(numbers)
    print(f"ok {last} - {name}" if good else f"not ok {last} - {name}: {str(answer)[:300]}")


def call(path, data=None, method=None, **headers):
    """Return what is decoded; a failure is what its exception holds."""
    request = Request(URL + path, data.encode() if isinstance(data, str) else data, headers, method=method)
    try:
        with urlopen(request, timeout=30) as answer:
            text = answer.read()
            # as they all did it: the last one, up to the semicolon
            cookies = answer.headers.get_all("Set-Cookie") or [""]
            return answer.status, json.loads(text) if text else None, cookies[-1].split(";")[0]
    except HTTPError as error:
        return error.code, json.loads(error.read() or b"null"), ""


# --- dbms
status, answer, _ = call(
    "/user", json.dumps({"email": "u@example.com", "username": "Urllib", "password": "correct horse"})
)
check("dbms: register under the label of a form", status == 201, answer)
query = urlencode({"username": "Urllib", "password": "correct horse"})
status, answer, _ = call(f"/login?{query}")
check("dbms: log in", status == 200, answer)
token = answer["token"] if status == 200 else ""
status, user, _ = call(f"/user/Urllib/?token={token}")
check("dbms: find", status == 200, user)
status, answer, _ = call(f"/user/{user.get('id')}?token={token}", json.dumps(user), "PUT")
check("dbms: send back what was read", status == 200, answer)
status, answer, _ = call(
    f"/user/Urllib?token={token}", json.dumps({"password": None, "email": "", "username": ""}), "PUT"
)
check("dbms: blanks take the address away", status == 200, answer)
status, answer, _ = call(f"/user/Urllib?token={token}")
check("dbms: which is gone", answer.get("email") == "", answer)
status, answer, _ = call("/user", json.dumps({"username": "Urllib2", "password": "correct horse", "email": None}))
check("dbms: register without an address", status == 201, answer)
status, answer, _ = call(
    "/user", b'\xef\xbb\xbf{"username": "Urllib3", "password": "correct horse", "email": "", "admin": true}'
)
check("dbms: a byte order mark", status == 201, answer)
check("dbms: valid_login", call(f"/valid_login?username=Urllib&token={token}")[1].get("token"))

# --- sso
body = {"id": 0, "username": "urllib-sso", "password": "2", "createtime": "0001-01-01T00:00:00Z"}
check(
    "sso: register",
    call("/v1/user", json.dumps(body))[:2] == (200, {"code": "OK", "message": "用户创建成功", "data": None}),
)
status, answer, _ = call("/v1/login", json.dumps(body), token="default")
check("sso: log in", answer["code"] == "OK", answer)
token = answer["data"] or "x.y.z"
check(
    "sso: its message is on 200",
    call("/v1/login", json.dumps(body), token=token)[:2]
    == (200, {"code": "token_err", "message": "重复登录", "data": None}),
)
check("sso: no dead token throws", call("/v1/auth", token="x")[0] == 200)
status, answer, _ = call(
    "/v1/user", json.dumps({"username": "urllib-sso", "password": "new one", "admin": True}), "PUT", token=token
)
check("sso: update", answer["code"] == "OK", answer)

# --- signed
ACCESS = os.environ["ZOO_ACCESSID"]


def signed(action, path="/openapi/user", **parameters):
    expires = str(int(time.time()) + 3600)
    message = f"GET\n\n\n{expires}\n{path}{action}"
    digest = hmac.new(os.environ["ZOO_ACCESSKEY"].encode(), message.encode(), hashlib.sha1).digest()
    credentials = {"accessid": ACCESS, "expires": expires, "signature": base64.b64encode(digest).decode()}
    return call(f"{path}?{urlencode({'action': action, **parameters, **credentials})}")


status, answer, _ = signed("register", userid="urllibs", password="123456", domain="", alias="别名", remember="1")
check("signed: register", "token" in answer, answer)
status, answer, _ = signed("login", "/openapi/user/", userid="urllibs", password="123456")
check("signed: log in", answer.get("alias") == "别名" and "domain" not in answer, answer)
check(
    "signed: a missing parameter is named",
    signed("login", userid="urllibs")[1]["errstr"] == "请求参数错误：缺少password",
    signed("login", userid="urllibs"),
)

# --- annotation: form in GBK, as pages of that time were
form = urlencode(
    {"user_id": "urllibann", "user_name": "张三", "password": "correct horse", "password2": "correct horse"},
    encoding="gbk",
)
status, answer, cookie = call(
    "/user/register/", form, **{"Content-Type": "application/x-www-form-urlencoded; charset=GBK"}
)
check("annotation: register", answer == {"ret": 0, "msg": "创建成功"}, answer)
check("annotation: the last cookie is the session's", cookie.startswith("sessionid="), cookie)
status, answer, _ = call("/user/other", Cookie=cookie)
check("annotation: GBK was understood", answer.get("user_name") == "张三", answer)
form = urlencode({"user_id": "urllibann", "password": "correct horse", "csrfmiddlewaretoken": "x" * 64})
status, answer, cookie = call("/user/signin", form)
check("annotation: sign in", answer["ret"] == 0, answer)
check("annotation: the last cookie again", cookie.startswith("sessionid="), cookie)
status, answer, _ = call("/user/other", json.dumps({"action": "get_friends_applications"}), "GET", Cookie=cookie)
check("annotation: GET with a body", answer.get("applications") == [] and answer.get("friends") == [], answer)
status, answer, _ = call("/user/other?" + quote(json.dumps({"action": "get_friends"})), Cookie=cookie)
check("annotation: a query that is a JSON object", answer.get("friends") == [], answer)
status, answer, _ = call(
    "/user/signin",
    json.dumps({"user_id": "urllibann", "password": "no"}),
    **{"Content-Type": "application/json;charsets: utf-8"},
)
check("annotation: JSON where a form is printed", answer == {"ret": -1, "msg": "用户id或密码错误"}, answer)
status, answer, _ = call("/user/signin", "")
check("annotation: nothing at all is told on 200", status == 200 and answer["ret"] == -400, answer)

# --- indexy
users = "/indexy-api/api/v1/users"
status, answer, _ = call(
    f"{users}/register", json.dumps({"username": "13800138000", "password": "xxxxxxxx", "nickName": ""})
)
check("indexy: register", answer == {"payload": True, "success": True}, answer)
status, answer, cookie = call(f"{users}/login", json.dumps({"username": "13800138000", "password": "xxxxxxxx"}))
check("indexy: log in", cookie.startswith("indexy_session="), (answer, cookie))
status, answer, _ = call(f"{users}?page=0&size=1&order=id,desc")
me = answer["payload"]["rows"][0]
status, answer, _ = call(
    f"{users}/{me['id']}", json.dumps({**me, "job": "教授", "school": None, "password": ""}), "PUT"
)
check("indexy: send back the whole row", status == 200, answer)
status, answer, _ = call(
    f"{users}/{me['id']}/password", json.dumps({"oldPassword": "xxxxxxxx", "newPassword": ""}), "PUT"
)
check(
    "indexy: a blank new password is refused where setting it is the purpose",
    status == 400 and answer.get("message"),
    answer,
)
status, answer, _ = call(f"{users}/login", json.dumps({"username": "13800138000", "password": "xxxxxxxx"}))
check("indexy: the old one holds", status == 200, answer)

# --- HTTP
host = urlsplit(URL)
connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)
try:
    connection.request("POST", "/v1/user", b"x" * 5_000_000)
    answer = connection.getresponse()
    check(
        "five megabytes in one go: the 413 is read",
        answer.status == 413 and json.loads(answer.read())["code"],
        answer.status,
    )
except OSError as error:
    check("five megabytes in one go: the 413 is read", False, repr(error))
connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)
connection.request("POST", "/v1/user", b"", {"Content-Length": "9" * 40})
answer = connection.getresponse()
check("an absurd Content-Length is answered", answer.status in (400, 413), answer.status)
print(f"1..{last}")
