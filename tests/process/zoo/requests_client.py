"""A client of the time of requests: a session that keeps cookies, `data=` and `json=` as it comes, statuses ignored."""

import base64
import hashlib
import hmac
import os
from email.utils import formatdate

import requests

URL = os.environ["ZOO_URL"]
count = 0


def check(name, good, answer=""):
    global count
    count += 1
    print(f"ok {count} - {name}" if good else f"not ok {count} - {name}: {getattr(answer, 'text', answer)!s:.300}")


# --- dbms
r = requests.post(
    URL + "/user/",
    json={"email": "r@example.com", "username": "Requests", "password": "correct horse", "remember": True},
    allow_redirects=False,
)
check("dbms: register", r.status_code == 201, r)
r = requests.get(URL + "/login", params={"username": "r@example.com", "password": "correct horse", "_": "1700000000"})
check("dbms: log in", "token" in r.json(), r)
token = {"token": r.json().get("token")}
r = requests.get(URL + "/user/Requests", params=token, json={})
check("dbms: find, with a body that nobody reads", r.json().get("email") == "r@example.com", r)
r = requests.put(URL + "/user/Requests/", json={"password": "battery staple", **token})
check("dbms: the token in the body, as its model has it", r.status_code == 200, r)
r = requests.put(URL + "/user/Requests", params=token, json={"username": "ok", "password": [1]})
check("dbms: what is wrong is named", {"field": "password", "kind": "type"} in r.json().get("errors", []), r)
r = requests.get(URL + "/logout/", params=token)
check("dbms: log out", r.status_code == 204, r)
r = requests.get(URL + "/user/Requests", params=token)
check("dbms: WWW-Authenticate", r.status_code == 401 and r.headers.get("WWW-Authenticate"), r)

# --- sso
s = requests.Session()
s.headers["token"] = "default"
check("sso: register", s.post(URL + "/v1/user", data='{"username":"rsso","password":"2"}').json()["code"] == "OK")
r = s.post(URL + "/v1/login", data='{"username":"rsso","password":"2"}', headers={"Content-Type": "text/plain"})
check("sso: log in", r.json()["code"] == "OK", r)
s.headers["token"] = r.json()["data"] or ""
check("sso: auth", s.get(URL + "/v1/auth/").json()["message"] == "认证成功，用户已登录")
uid = s.get(URL + "/v1/auth").json()["data"]
user = s.get(f"{URL}/v1/user/{uid}/").json()["data"]
r = s.put(URL + "/v1/user", json=user)
check("sso: what was read is sent back, its password blank", r.json()["code"] == "OK", r)
s.headers["token"] = "default"
check(
    "sso: which has not changed the password",
    s.post(URL + "/v1/login", json={"username": "rsso", "password": "2"}).json()["code"] == "OK",
)
r = s.post(URL + "/v1/user", json={"username": "rsso9"})
check("sso: what is missing", r.status_code == 400 and r.json()["message"] == "缺少password", r)
r = s.get(f"{URL}/v1/user/abc")
check("sso: an id that is no number", r.json() == {"code": "db_crud_err", "message": "用户不存在", "data": None}, r)


# --- signed, by headers, with a space after the colon
def signed(action, **parameters):
    date = formatdate(usegmt=True)
    message = f"GET\n\n\n{date}\n/openapi/user{action}"
    digest = hmac.new(os.environ["ZOO_ACCESSKEY"].encode(), message.encode(), hashlib.sha1).digest()
    headers = {"Date": date, "Authorization": f"{os.environ['ZOO_ACCESSID']}: {base64.b64encode(digest).decode()}"}
    return requests.get(URL + "/openapi/user", params={"action": action, **parameters}, headers=headers)


r = signed("register", userid="rsigned", password="123456", alias=None)
check("signed: register", "token" in r.json(), r)
r = signed("login", userid=" rsigned ", password="123456")
check("signed: blanks around an id", "token" in r.json(), r)
token = r.json().get("token")
r = signed("unregister", userid="rsigned", token=token)
check("signed: unregister", r.json() == {"userid": "rsigned"}, r)

# --- annotation
a = requests.Session()
r = a.post(URL + "/user/register", data={"user_id": 10001, "user_name": "", "password": "correct horse"})
check("annotation: register with a number and no name", r.json()["ret"] == 0, r)
check(
    "annotation: the name is the id",
    a.get(URL + "/user/other").json() == {"ret": 0, "user_name": "10001", "user_id": "10001"},
)
b = requests.Session()
r = b.post(URL + "/user/signin/", files={"user_id": (None, "owner"), "password": (None, "correct horse")})
check("annotation: multipart without files", r.json()["ret"] == 0, r)
r = b.post(URL + "/user/signin/", files={"user_id": ("a.txt", b"owner")})
check("annotation: signed in already, whatever comes", r.json()["ret"] == -2, r)
r = requests.post(URL + "/user/signin/", files={"user_id": ("a.txt", b"owner")})
check("annotation: a file is refused", r.json()["ret"] == -400, r)
r = a.put(URL + "/user/other/", json={"action": "friend_apply", "id": "owner"})
check("annotation: apply", r.json() == {"ret": 0, "msg": "邀请已发送"}, r)
r = b.get(URL + "/user/other", params={"action": "get_friends_appli"})
person = {"user_name": "10001", "user_id": "10001"}
check(
    "annotation: applications, under friends too",
    r.json() == {"ret": 0, "sum": 1, "applications": [person], "friends": [person]},
    r,
)
r = b.post(URL + "/user/other", json={"action": "friend_apply_accept", "id": 10001, "user_id": "owner"})
check("annotation: accept an id that is a number, by POST", r.json() == {"ret": 0, "msg": "已接受"}, r)
project = int(os.environ["ZOO_PROJECT"])
r = b.put(URL + "/user/other", json={"action": "project_invite", "project_id": project, "friend_id": 10001})
check("annotation: invite, with numbers", r.json() == {"ret": 0, "msg": "邀请已发送"}, r)
r = a.get(URL + "/user/other", json={"action": "get_project_invites"})
check("annotation: invitations", r.json().get("invites", [{}])[0].get("project_id") == str(project), r)
r = a.put(URL + "/user/other", json={"action": "project_invite_accept", "id": project})
check("annotation: accept by `id`", r.json() == {"ret": 0, "msg": "已接受"}, r)
r = a.post(URL + "/user/other", json={"action": "get_triads_json", "id": project})
row = r.json()[0] if r.text.startswith("[") else {}
check("annotation: a reading action by POST", row.get("destination_name") == row.get("target_name") == "关羽", r)
r = a.put(URL + "/user/other", data='{"action": "logout"}')
check("annotation: log out", r.json()["ret"] == 0, r)
check("annotation: not logged in, on 200", a.get(URL + "/user/other/").json() == {"ret": -1, "msg": "用户未登录"})
check("annotation: an unknown action on 200", b.put(URL + "/user/other/", json={"action": "dance"}).status_code == 200)

# --- indexy
users = URL + "/indexy-api/api/v1/users"
row = {
    "username": "requests-indexy",
    "password": "xxxxxxxx",
    "mobile": "",
    "email": "",
    "photo": None,
    "nickName": "r",
    "id": None,
}
check("indexy: create", requests.post(users + "/", json=row).json() == {"payload": True, "success": True})
rows = requests.get(users + "/", params={"page": 0, "size": 2, "order": ["nickName,asc", "id,desc"]}).json()["payload"][
    "rows"
]
check("indexy: two keys", len(rows) == 2, rows)
more = requests.get(users, params={"page": 1, "size": 2, "order": ["nickName,asc", "id,desc"]}).json()["payload"][
    "rows"
]
check("indexy: a second page", more and more[0] not in rows, more)
me = next(row for row in requests.get(users).json()["payload"]["rows"] if row["username"] == "requests-indexy")
r = requests.put(f"{users}/{me['id']}/", json={**me, "mobile": "13912345678", "email": "r2@example.com"})
check("indexy: update", r.json() == {"payload": 1, "success": True}, r)
requests.put(f"{users}/{me['id']}", json={"mobile": "", "email": None, "nickName": ""})
r = requests.get(f"{users}/{me['id']}")
check("indexy: blanks take away", r.json()["payload"] == {"id": me["id"], "username": "requests-indexy"}, r)
r = requests.put(f"{users}/{me['id']}", json={"password": ["7"]})
check(
    "indexy: what is wrong, in Chinese and twice",
    r.json() == {"payload": "password必须是文本", "message": "password必须是文本", "success": False},
    r,
)
check("indexy: delete", requests.delete(f"{users}/{me['id']}/").json() == {"payload": 1, "success": True})
print(f"1..{count}")
