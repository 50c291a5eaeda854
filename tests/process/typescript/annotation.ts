import assert from "node:assert/strict";

import { act, changePassword, client, logIn, read, register, update } from "rollbook-annotation";

import { cookie, given, ok, password } from "./given.js";

let session: string | undefined;
client.setConfig({ auth: () => session, baseUrl: given.baseUrl });

const user_id = "annotation_typescript";
const registered = await register({ body: { password, user_id, user_name: "法外狂徒张三" } });
assert.deepEqual(registered.data, { msg: "创建成功", ret: 0 });
assert.equal((await ok(register({ body: { password, user_id, user_name: "李四" } }))).msg, "该账号id已使用");
assert.deepEqual(await ok(read()), { msg: "用户未登录", ret: -1 });
session = cookie(registered.response, "sessionid");
assert.equal((await ok(logIn({ body: { password, user_id } }))).ret, -2);
assert.deepEqual(await ok(read()), { ret: 0, user_id, user_name: "法外狂徒张三" });
assert.equal((await ok(update({ body: { action: "change_name", user_name: "穿林北腿蒋中正" } }))).ret, 0);

// the owner of the project befriends and invites
const guest = session;
const owned = await logIn({ auth: () => undefined, body: { password, user_id: "annotation_owner" } });
const owner = cookie(owned.response, "sessionid");
assert.equal((await ok(act({ body: { action: "friend_apply", id: "annotation_owner" } }))).ret, 0);
session = owner;
const applications = await ok(read({ query: { action: "get_friends_applications" } }));
assert.ok("applications" in applications);
assert.deepEqual(applications.applications, [{ user_id, user_name: "穿林北腿蒋中正" }]);
assert.equal((await ok(act({ body: { action: "friend_apply_accept", id: user_id } }))).ret, 0);
const project_id = given.project;
assert.equal((await ok(act({ body: { action: "project_invite", friend_id: user_id, project_id } }))).ret, 0);
session = guest;
const invites = await ok(read({ query: { action: "get_project_invites" } }));
assert.ok("invites" in invites && invites.invites[0]?.project_name === "水浒");

const wanted = { query: { action: "get_triads_json", id: project_id } } as const;
assert.deepEqual(await ok(read(wanted)), { msg: "未参与该项目", ret: -1 });
assert.equal((await ok(act({ body: { action: "project_invite_accept", project_id } }))).ret, 0);
// of a status with two media types the generator knows one, here JSON
const exported: unknown = await ok(read(wanted));
assert.ok(exported instanceof Blob);
const [triad] = JSON.parse(await exported.text()) as Array<Record<string, unknown>>;
assert.deepEqual([triad?.name, triad?.source_name, triad?.target_name], ["结义", "刘备", "关羽"]);
const { data: stream } = await read({ ...wanted, parseAs: "stream" });
const lines = await new Response(stream as unknown as ReadableStream).text();
assert.equal(lines, await exported.text());

const change = { cur_password: password, new_password: "another horse" };
assert.equal((await ok(changePassword({ body: change }))).msg, "密码修改成功");
assert.equal((await ok(changePassword({ body: change }))).ret, -1);
assert.deepEqual(await ok(act({ body: { action: "logout" } })), { msg: "登出成功", ret: 0 });
assert.deepEqual(await ok(read()), { msg: "用户未登录", ret: -1 });
