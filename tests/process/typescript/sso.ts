import assert from "node:assert/strict";

import { checkLogin, client, find, listAccounts, logIn, logOut, logOutAsInOutline, register, update } from "rollbook-sso";

import { given, ok, password } from "./given.js";

const username = "sso_typescript";
let token = "default";
client.setConfig({ auth: () => token, baseUrl: given.baseUrl });

assert.equal((await ok(register({ body: { password, username } }))).code, "OK");
assert.equal((await ok(register({ body: { password, username } }))).message, "用户已存在");
const wrong = await ok(logIn({ body: { password: "wrong", username } }));
assert.deepEqual(wrong, { code: "db_crud_err", data: null, message: "用户名或密码错误" });

const loggedIn = await ok(logIn({ body: { password, username } }));
assert.ok(loggedIn.code === "OK");
token = loggedIn.data;
assert.equal((await ok(logIn({ body: { password, username } }))).message, "重复登录");
const uid = Number((await ok(checkLogin())).data);
const found = await ok(find({ path: { uid } }));
assert.ok(found.code === "OK");
assert.deepEqual([found.data.id, found.data.username, found.data.password], [uid, username, ""]);
const listed = await ok(listAccounts({ query: { page: 0, size: 1000 } }));
assert.ok(Array.isArray(listed.data) && listed.data.some((user) => user.id === uid));
assert.equal((await ok(find({ path: { uid: 1e9 } }))).message, "用户不存在");
assert.equal((await ok(update({ body: { password: "another horse", username } }))).message, "用户更新成功");

assert.equal((await ok(logOut())).message, "用户退出成功");
assert.deepEqual(await ok(checkLogin()), { code: "token_err", data: null, message: "token已失效" });
assert.equal((await ok(logOutAsInOutline())).message, "token已失效");
