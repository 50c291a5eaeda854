import assert from "node:assert/strict";
import { createHmac } from "node:crypto";

import { act, client, type ActData, type Answer } from "rollbook-signed";

import { given, ok, password, refused } from "./given.js";

client.setConfig({ baseUrl: given.baseUrl });

/** Ask for an action, signed in the URL. */
function ask(query: ActData["query"]) {
  const expires = Math.floor(Date.now() / 1000) + 600;
  const message = `GET\n\n\n${expires}\n/openapi/user${query.action}`;
  const signature = createHmac("sha1", given.accesskey).update(message).digest("base64");
  return act({ query: { ...query, accessid: "clients", expires, signature } });
}

function errno(answer: Answer): number | undefined {
  return "errno" in answer ? answer.errno : undefined;
}

const userid = "signed_typescript";
const profile = { alias: "法外狂徒张三", domain: "example.com", property: '{"level": 3}' };
const registered = await ok(ask({ action: "register", password, userid, ...profile }));
assert.ok("token" in registered);
assert.deepEqual(await ok(ask({ action: "register", password, userid })), { errno: 1001, errstr: "用户已存在" });
assert.equal(errno(await ok(ask({ action: "login", password: "wrong", userid }))), 1002);
const [unsigned, failure] = await refused(act({ query: { action: "login", password, userid } }));
assert.deepEqual([unsigned, failure.errno], [403, 403]);

const loggedIn = await ok(ask({ action: "login", password, userid }));
assert.ok("token" in loggedIn);
const { token } = loggedIn;
assert.deepEqual(loggedIn, { token, userid, ...profile });
assert.deepEqual(await ok(ask({ action: "update", alias: "", token, userid })), { userid });
assert.deepEqual(await ok(ask({ action: "logout", token, userid })), { userid });
assert.equal(errno(await ok(ask({ action: "update", token, userid }))), 1003);
assert.deepEqual(await ok(ask({ action: "unregister", token: registered.token, userid })), { userid });

const [status] = await refused(ask({ action: "login", userid }));
assert.equal(status, 400);
