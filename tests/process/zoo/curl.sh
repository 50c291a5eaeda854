#!/usr/bin/env bash
# A shell script of an operator: JSON by `curl -d`, which labels it as a form; paths as they come; a cookie jar; Chinese as typed.
set -uo pipefail
url=$ZOO_URL
jar=$(mktemp) other=$(mktemp)
trap 'rm -f "$jar" "$other"' EXIT
number=0

check() { # name, what the answer must hold, the answer
    number=$((number + 1))
    if [[ $3 == *"$2"* ]]; then echo "ok $number - $1"; else echo "not ok $number - $1: no $2 in ${3:0:300}"; fi
}
lacks() { # name, what the answer must not hold, the answer
    number=$((number + 1))
    if [[ $3 != *"$2"* ]]; then echo "ok $number - $1"; else echo "not ok $number - $1: ${3:0:300}"; fi
}
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

# --- dbms
check "dbms: register" '"id":' "$(curl -s -d '{"username":"curl","password":"correct horse","email":"curl@example.com"}' "$url/user/")"
token=$(curl -s "$url/login/?username=curl@example.com&password=correct%20horse" | field token)
check "dbms: log in with a slash" "-" "$token"
check "dbms: find with a slash" '"username":"curl"' "$(curl -sf "$url/user/curl/?token=$token")"
check "dbms: send back the whole object, with its token in it" '"id":' \
    "$(curl -sf -X PUT -d "{\"id\":1,\"username\":\"curl\",\"email\":\"curl@example.com\",\"token\":\"$token\"}" "$url/user/curl?token=$token")"
check "dbms: a Chinese name" '"id":' "$(curl -s -d '{"username":"张三","password":"一二三四五六七八","email":"zs@example.com"}' "$url/user")"
check "dbms: Chinese as typed in a query" '"token":' "$(curl -s "$url/login?username=张三&password=一二三四五六七八")"
check "dbms: Chinese as typed in a path" '"username":"张三"' "$(curl -s "$url/user/张三?token=$token")"
check "dbms: look with HEAD" " 200" "$(curl -sI "$url/user/curl?token=$token")"
check "dbms: HEAD of logout" " 204" "$(curl -sI "$url/logout?token=$token")"
check "dbms: HEAD has logged nobody out" '"username":"curl"' "$(curl -s0 "$url/user/curl?token=$token")"
check "dbms: log out" "204" "$(curl -s -o /dev/null -w '%{http_code}' "$url/logout/?token=$token")"

# --- sso: -f makes curl say nothing where the status is no success
json='{"username":"curl-sso","password":"2"}'
check "sso: register" '"code":"OK"' "$(curl -sf -d "$json" "$url/v1/user/")"
check "sso: a taken name" "用户已存在" "$(curl -sf -d "$json" "$url/v1/user")"
check "sso: a wrong password" "用户名或密码错误" "$(curl -sf -H 'token: default' -d '{"username":"curl-sso","password":"3"}' "$url/v1/login/")"
token=$(curl -sf -H 'token: default' -d "$json" "$url/v1/login/" | field data)
check "sso: log in" "." "$token"
check "sso: log in again" "重复登录" "$(curl -sf -H "token: $token" -d "$json" "$url/v1/login")"
check "sso: list" '"curl-sso"' "$(curl -sf "$url/v1/user/list/")"
check "sso: an empty page number" '"curl-sso"' "$(curl -sf "$url/v1/user/list?page=&size=")"
check "sso: rename only" '"code":"OK"' "$(curl -sf -X PUT -H "token: $token" -d '{"username":"curl-sso2","password":""}' "$url/v1/user/")"
check "sso: log out as the outline has it" "用户退出成功" "$(curl -sf -H "token: $token" "$url/v1/Logout/")"
check "sso: a dead token" "token已失效" "$(curl -sf -H "token: $token" "$url/v1/auth")"
check "sso: no token" "无token" "$(curl -sf "$url/v1/auth/")"

# --- signed
sign() { printf 'GET\n\n\n%s\n%s%s' "$expires" "$1" "$2" | openssl dgst -sha1 -hmac "$ZOO_ACCESSKEY" -binary | base64; }
call() { # path, action, query
    expires=$(($(date +%s) + 600))
    curl -sG "$url$1?action=$2&$3&accessid=$ZOO_ACCESSID&expires=$expires" --data-urlencode "signature=$(sign "${4:-$1}" "$2")" \
        -H 'Content-Type: application/json;charsets: utf-8'
}
check "signed: register" '"token":"' "$(call /openapi/user register 'userid=curlsigned&password=123456&domain=&alias=&property=')"
token=$(call /openapi/user/ login 'userid=curlsigned&password=123456' | field token)
check "signed: log in, signed over the path with its slash" "" "$token"
check "signed: a signature over the documented path" '"userid":"curlsigned"' \
    "$(call /openapi/user/ update "userid=&token=$token&password=&alias=测试" /openapi/user)"
check "signed: HEAD registers nobody" '"errno":1002' "$(expires=$(($(date +%s) + 600)); \
    curl -sIG "$url/openapi/user?action=register&userid=nobody&password=123456&accessid=$ZOO_ACCESSID&expires=$expires" \
        --data-urlencode "signature=$(printf 'HEAD\n\n\n%s\n/openapi/userregister' "$expires" | openssl dgst -sha1 -hmac "$ZOO_ACCESSKEY" -binary | base64)" > /dev/null; \
    call /openapi/user login 'userid=nobody&password=123456')"
check "signed: a token of another shape" '"errno":1003' "$(call /openapi/user update 'userid=curlsigned&token=OLD-TOKEN&alias=x')"
check "signed: log out" '"userid":"curlsigned"' "$(call /openapi/user logout "userid=curlsigned&token=$token")"

# --- annotation
check "annotation: register without a slash" '"ret":0' \
    "$(curl -s -c "$jar" -d 'user_id=curlann&password=correct horse' --data-urlencode 'user_name=法外狂徒张三' "$url/user/register")"
check "annotation: signed in already" '"ret":-2' "$(curl -s -b "$jar" -d 'user_id=curlann&password=correct horse' "$url/user/sigin/")"
check "annotation: own data" '法外狂徒张三' "$(curl -s -b "$jar" "$url/user/other/")"
check "annotation: GET with a body" '"friends":[]' "$(curl -s -b "$jar" -X GET -d '{"action":"get_friends"}' "$url/user/other")"
check "annotation: an action that is empty" '法外狂徒张三' "$(curl -s -b "$jar" "$url/user/other?action=")"
check "annotation: no action by its name" '法外狂徒张三' "$(curl -s -b "$jar" "$url/user/other?action=get_user_info")"
check "annotation: change the name, with what older clients send" '修改成功' \
    "$(curl -s -b "$jar" -d '{"action":"change_name","user_id":"curlann","user_name":"穿林北腿蒋中正"}' "$url/user/other/")"
check "annotation: a name by PUT" '修改成功' "$(curl -s -b "$jar" -X PUT -d '{"action":"change_name","user_name":""}' "$url/user/other/")"
check "annotation: which shows the id" '"user_name":"curlann"' "$(curl -s -b "$jar" "$url/user/other")"
check "annotation: nobody" 'id不存在' "$(curl -s -b "$jar" -X PUT -d '{"action":"friend_apply","id":10086}' "$url/user/other")"
check "annotation: an id that is no number" 'id不存在' "$(curl -s -b "$jar" "$url/user/other?action=get_entities_json&id=abc")"
check "annotation: a new password at the address that its pages have" '密码修改成功' \
    "$(curl -s -b "$jar" -d 'cur_password=correct horse&new_password=battery staple&user_id=curlann' "$url/user/change_password/")"
check "annotation: log out by POST" '登出成功' "$(curl -s -b "$jar" -d '{"action":"logout","user_id":"curlann"}' "$url/user/other/")"
check "annotation: what is missing" '缺少password' "$(curl -sf -d 'user_id=curlann' "$url/user/signin")"
lacks "annotation: no other contract's words" 'problem' "$(curl -s -d 'x=y' "$url/user/user-info/")"

# --- indexy
users=$url/indexy-api/api/v1/users
check "indexy: create under text/html" '"payload":true' \
    "$(curl -s -H 'Content-Type: text/html; charset=utf-8' -d '{"username":"13393922xxx","password":"xxxxxxxx","photo":"","nickName":"sw","job":null,"mobile":"13393922xxx","email":"","introduct":""}' "$users/")"
check "indexy: charset" 'application/json; charset=utf-8' "$(curl -sI "$users")"
check "indexy: empty parameters" '"count"' "$(curl -s "$users?page=&size=&order=")"
check "indexy: order as people write it" '"count"' "$(curl -s "$users/?page=0&size=10&order=id,%20DESC&order=username")"
check "indexy: a wrong password as both" '"message":"用户名或密码错误"' "$(curl -s -d '{"username":"13393922xxx","password":"x"}' "$users/login/")"
check "indexy: log in" '"payload":1' "$(curl -s -c "$other" -d '{"username":"13393922xxx","password":"xxxxxxxx"}' "$users/login/")"
check "indexy: no such user" '用户不存在' "$(curl -s "$users/abc/")"
echo "1..$number"
