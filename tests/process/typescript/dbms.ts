import assert from "node:assert/strict";

import { checkLogin, client, find, logIn, logOut, register, update } from "rollbook-dbms";

import { given, ok, password, refused } from "./given.js";

const username = "dbms_typescript";
const email = "dbms_typescript@example.com";
let token: string | undefined;
client.setConfig({ auth: () => token, baseUrl: given.baseUrl });

const { id } = await ok(register({ body: { email, password, username } }));
assert.ok(id > 0);
const [taken, problem] = await refused(register({ body: { email, password, username } }));
assert.deepEqual([taken, problem.status], [409, 409]);
const [wrong, unknown] = await refused(logIn({ query: { password: "wrong", username } }));
assert.deepEqual([wrong, unknown.type], [401, "urn:problem-type:rollbook:wrong-credentials"]);

const loggedIn = await ok(logIn({ query: { password, username: email } }));
assert.equal(loggedIn.id, id);
assert.equal((await refused(find({ path: { id_or_username: username } })))[0], 401);
token = loggedIn.token;
assert.deepEqual(await ok(find({ path: { id_or_username: username } })), { email, id, username });
const renamed = `${username}2`;
const changed = await ok(update({ body: { username: renamed }, path: { id_or_username: String(id) } }));
assert.deepEqual(changed, { id });

const checked = await ok(checkLogin({ query: { token, username: renamed } }));
assert.equal((await refused(find({ path: { id_or_username: renamed } })))[0], 401);
token = checked.token;
const out = await logOut();
assert.equal(out.response?.status, 204);
assert.equal((await refused(logOut()))[0], 401);
