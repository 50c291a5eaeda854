// Drive the typed calls of openapi-fetch: `node fetch_client.mjs BASE_URL`, calls on stdin (../clients.py).

import { createInterface } from "node:readline";

import { calls, client } from "./calls.js";

let call;
let wire;
client.use({
  onRequest({ request }) {
    const url = new URL(request.url); // openapi-fetch leaves credentials to a middleware such as this one
    for (const [name, value] of Object.entries(call.query)) {
      url.searchParams.set(name, value);
    }
    return new Request(url, request);
  },
  async onResponse({ response }) {
    wire = { status: response.status, headers: [...response.headers], body: await response.clone().text() };
  },
});

for await (const line of createInterface({ input: process.stdin })) {
  call = JSON.parse(line);
  wire = undefined;
  const answer = {};
  const parameters = Object.fromEntries(call.parameters.map((one) => [`${one.in}.${one.name}`, one.value]));
  try {
    const { data, error } = await calls[call.number - 1]({ ...call, parameters });
    const understood = data ?? error;
    if (typeof understood === "object") {
      answer.understood = understood;
    }
  } catch (error) {
    answer[wire ? "broken" : "refused"] = String(error);
  }
  console.log(JSON.stringify({ ...answer, ...wire }));
}
