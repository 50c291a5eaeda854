// What the test tells a journey, and what journeys ask of answers.

import assert from "node:assert/strict";

export const password = "correct horse";

/** Where the contract begins; an access key; a project of somebody else. */
export const given = JSON.parse(process.argv[2] ?? "{}") as { baseUrl: string; accesskey: string; project: string };

/** Return what an operation answered, which must be a success. */
export async function ok<Data>(answer: Promise<{ data?: Data; error?: unknown }>): Promise<Data> {
  const { data, error } = await answer;
  assert.equal(error, undefined);
  assert.ok(data !== undefined);
  return data;
}

/** Return how an operation refused: the status, and what it said. */
export async function refused<Failure>(
  answer: Promise<{ error?: Failure; response?: Response }>,
): Promise<[number | undefined, Failure]> {
  const { error, response } = await answer;
  assert.ok(error !== undefined);
  return [response?.status, error];
}

/** Return the value of the cookie that an answer sets. */
export function cookie(response: Response | undefined, name: string): string {
  const set = response?.headers.getSetCookie().find((line) => line.startsWith(`${name}=`));
  assert.ok(set !== undefined && set.includes("HttpOnly"));
  return set.slice(name.length + 1).split(";")[0] ?? "";
}
