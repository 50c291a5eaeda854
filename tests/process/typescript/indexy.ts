import assert from "node:assert/strict";

import {
  changePassword,
  client,
  create,
  delete_,
  find,
  listAccounts,
  logIn,
  recoverByEmail,
  recoverByMobile,
  register,
  requestCode,
  resetPassword,
  showResetForm,
  update,
} from "rollbook-indexy";

import { cookie, given, ok, password, refused } from "./given.js";

let session: string | undefined;
client.setConfig({ auth: () => session, baseUrl: given.baseUrl });

const username = "indexy_typescript";
const other = "indexy_typescript2";
const mobile = "13393922001";
assert.deepEqual(await ok(register({ body: { nickName: "sw", password, username } })), { payload: true, success: true });
assert.deepEqual(await refused(register({ body: { password, username } })), [
  409,
  { message: "用户名已存在", success: false },
]);
assert.equal((await refused(logIn({ body: { password: "wrong", username } })))[0], 400);
const loggedIn = await logIn({ body: { password, username } });
assert.equal(loggedIn.data?.payload, 1);
session = cookie(loggedIn.response, "indexy_session");
assert.equal((await ok(create({ body: { job: "教授", mobile, password, username: other } }))).payload, true);

const { payload } = await ok(listAccounts({ query: { order: ["id,desc", "username,asc"], page: 0, size: 2 } }));
assert.deepEqual(
  payload.rows.map((row) => row.username),
  [other, username],
);
const [second, first] = payload.rows.map((row) => row.id);
assert.ok(first && second);
assert.equal((await ok(update({ body: { school: "武汉大学" }, path: { id: first } }))).success, true);
const found = await ok(find({ path: { id: first } }));
assert.deepEqual(found.payload, { id: first, nickName: "sw", school: "武汉大学", username });
const change = { body: { newPassword: "another horse", oldPassword: password }, path: { id: first } };
assert.equal((await ok(changePassword(change))).payload, 1);
assert.equal((await refused(changePassword(change)))[0], 400);

assert.equal((await ok(requestCode({ body: { mobile } }))).payload, 1);
const [status] = await refused(recoverByMobile({ body: { mobile, msCaptcha: 1000000, newPassword: "another horse" } }));
assert.equal(status, 400);
assert.equal((await refused(recoverByEmail({ body: { email: "nobody@example.com" } })))[0], 400);
// of a status with two media types the generator knows one, here JSON
const [, page]: [unknown, unknown] = await refused(showResetForm({ query: { code: "unknown" } }));
assert.ok(typeof page === "string" && page.includes("<title>"));
assert.equal((await refused(resetPassword({ body: { code: "unknown", newPassword: "another horse" } })))[0], 400);

assert.deepEqual(await ok(delete_({ path: { id: second } })), { payload: 1, success: true });
assert.deepEqual(await refused(find({ path: { id: second } })), [404, { message: "用户不存在", success: false }]);
