// Package main is a client with net/http as of its time: structs are sent whole with their zero values, statuses are not looked at.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/ioutil"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"time"
)

var base = os.Getenv("ZOO_URL")
var number int

func check(name string, good bool, answer interface{}) {
	number++
	if good {
		fmt.Printf("ok %d - %s\n", number, name)
	} else {
		fmt.Printf("not ok %d - %s: %.300v\n", number, name, answer)
	}
}

// User is the model of client and server; the sso document prints its zero time.
type User struct {
	Id         int       `json:"id"`
	Username   string    `json:"username"`
	Password   string    `json:"password"`
	Createtime time.Time `json:"createtime"`
	Updatetime time.Time `json:"updatetime"`
}

// Answer is what sso answers.
type Answer struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

// DbUser is the model of dbms.
type DbUser struct {
	Id       int    `json:"id"`
	Email    string `json:"email"`
	Username string `json:"username"`
	Password string `json:"password"`
	Token    string `json:"token"`
}

func call(client *http.Client, method, path string, body interface{}, token string, into interface{}) string {
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	default:
		data, _ = json.Marshal(b)
	}
	request, err := http.NewRequest(method, base+path, bytes.NewReader(data))
	if err != nil {
		return err.Error()
	}
	if token != "" {
		request.Header["token"] = []string{token} // in lower case, as it was written
	}
	answer, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, _ := ioutil.ReadAll(answer.Body)
	if into != nil {
		json.Unmarshal(text, into)
	}
	return string(text)
}

func signed(action string, values url.Values, path string) string {
	expires := fmt.Sprint(time.Now().Unix() + 600)
	mac := hmac.New(sha1.New, []byte(os.Getenv("ZOO_ACCESSKEY")))
	mac.Write([]byte("GET\n\n\n" + expires + "\n" + path + action))
	values.Set("action", action)
	values.Set("accessid", os.Getenv("ZOO_ACCESSID"))
	values.Set("expires", expires)
	values.Set("signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return call(http.DefaultClient, "GET", path+"?"+values.Encode(), nil, "", nil)
}

func main() {
	plain := http.DefaultClient

	// --- dbms: no label at all
	var user DbUser
	text := call(plain, "POST", "/user/", DbUser{Username: "golang", Password: "correct horse"}, "", &user)
	check("dbms: register a struct", user.Id > 0, text)
	text = call(plain, "GET", "/login?username=golang&password=correct+horse", nil, "", &user)
	check("dbms: log in", user.Token != "", text)
	text = call(plain, "GET", fmt.Sprintf("/user/%d/?token=%s", user.Id, user.Token), nil, "", &user)
	check("dbms: find", user.Username == "golang", text)
	user.Email, user.Password = "go@example.com", ""
	text = call(plain, "PUT", "/user/golang?token="+user.Token, user, "", nil)
	check("dbms: send the struct back", strings.Contains(text, `{"id":`), text)
	text = call(plain, "GET", "/login?username=go@example.com&password=correct+horse", nil, "", nil)
	check("dbms: whose blank password has set none", strings.Contains(text, "token"), text)

	// --- sso
	var answer Answer
	me := User{Username: "golang-sso", Password: "2"}
	call(plain, "POST", "/v1/user", me, "", &answer)
	check("sso: register a struct", answer.Code == "OK", answer.Message)
	call(plain, "POST", "/v1/login/", me, "default", &answer)
	check("sso: log in", answer.Code == "OK", answer.Message)
	var token, id string
	json.Unmarshal(answer.Data, &token)
	call(plain, "POST", "/v1/login", me, token, &answer)
	check("sso: again", answer.Message == "重复登录", answer.Message)
	call(plain, "GET", "/v1/auth", nil, token, &answer)
	json.Unmarshal(answer.Data, &id)
	check("sso: auth", answer.Code == "OK" && id != "", answer.Message)
	call(plain, "GET", "/v1/user/"+id, nil, token, &answer)
	var shown User
	check("sso: a user fits the struct", json.Unmarshal(answer.Data, &shown) == nil && shown.Username == "golang-sso", string(answer.Data))
	text = call(plain, "PUT", "/v1/user", shown, token, &answer)
	check("sso: send it back", answer.Code == "OK", text)
	var users []User
	call(plain, "GET", "/v1/user/list/", nil, token, &answer)
	check("sso: list", json.Unmarshal(answer.Data, &users) == nil && len(users) > 0, string(answer.Data))
	call(plain, "GET", "/v1/logout", nil, token, &answer)
	check("sso: log out", answer.Code == "OK", answer.Message)
	call(plain, "GET", "/v1/auth", nil, token, &answer)
	check("sso: a dead token", answer.Message == "token已失效", answer.Message)

	// --- signed
	text = signed("register", url.Values{"userid": {"gosigned"}, "password": {"123456"}, "domain": {""}, "alias": {""}, "property": {""}}, "/openapi/user")
	check("signed: register", strings.Contains(text, "token"), text)
	text = signed("login", url.Values{"userid": {"gosigned"}, "password": {"123456"}, "token": {""}}, "/openapi/user/")
	check("signed: log in, with a token that is blank", strings.Contains(text, "token"), text)
	text = signed("update", url.Values{"userid": {"gosigned"}, "token": {"0"}}, "/openapi/user")
	check("signed: a token of another shape", strings.Contains(text, `"errno":1003`), text)

	// --- annotation
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	post := func(path string, values url.Values) string {
		answer, err := client.PostForm(base+path, values)
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		text, _ := ioutil.ReadAll(answer.Body)
		return string(text)
	}
	text = post("/user/register", url.Values{"user_id": {"goann"}, "user_name": {"张三"}, "password": {"correct horse"}})
	check("annotation: register", strings.Contains(text, "创建成功"), text)
	text = post("/user/sigin/", url.Values{"user_id": {"goann"}, "password": {"correct horse"}})
	check("annotation: signed in already", strings.Contains(text, "用户已登录"), text)
	text = call(client, "GET", "/user/other", `{"action":"get_project_invites"}`, "", nil)
	check("annotation: GET with a body and no label", strings.Contains(text, `"invites":[]`), text)
	text = call(client, "GET", "/user/other", "{}", "", nil)
	check("annotation: own data", strings.Contains(text, "张三"), text)
	text = call(client, "PUT", "/user/other/", map[string]interface{}{"action": "friend_apply", "id": "owner", "user_id": "goann", "project_id": 0}, "", nil)
	check("annotation: a map with what else there was", strings.Contains(text, "邀请已发送"), text)
	text = call(client, "PUT", "/user/other", map[string]interface{}{"action": "get_friends_applications"}, "", nil)
	check("annotation: a reading action by PUT", strings.Contains(text, `"applications":[]`), text)
	text = call(client, "HEAD", "/user/other", nil, "", nil)
	check("annotation: HEAD has no body", text == "", text)
	text = call(client, "PUT", "/user/other", map[string]string{"action": "logout", "user_id": "goann"}, "", nil)
	check("annotation: log out", strings.Contains(text, "登出成功"), text)

	// --- indexy
	users_ := "/indexy-api/api/v1/users"
	text = call(plain, "POST", users_+"/", map[string]interface{}{"username": "golang-indexy", "password": "xxxxxxxx", "mobile": "", "email": "", "photo": "", "id": 0}, "", nil)
	check("indexy: create", strings.Contains(text, `"payload":true`), text)
	text = call(plain, "GET", users_+"?order=ID%2CDESC&page=0&size=10", nil, "", nil)
	check("indexy: order in capitals", strings.Contains(text, `"rows":[`), text)
	text = call(plain, "HEAD", users_, nil, "", nil)
	check("indexy: HEAD", text == "", text)
	fmt.Printf("1..%d\n", number)
}
