// Signs requests of a contract with `accessid`, `expires` and `signature` in the URL, with Web Crypto.

const LIFETIME = 600; // seconds; clocks may differ by as much

/** Return the interceptor that signs each request with what stands in the two inputs, if both are filled in. */
export function signer(accessid, accesskey) {
  return async (request) => {
    if (accessid.value && accesskey.value) {
      request.url = await sign(request.method, request.url, accessid.value, accesskey.value);
    }
    return request;
  };
}

/** Return the URL with its signature: base64(HMAC-SHA1(accesskey, message)). */
async function sign(method, address, accessid, accesskey) {
  const url = new URL(address, location.href);
  const expires = Math.floor(Date.now() / 1000) + LIFETIME;
  const action = url.searchParams.get("action") ?? "";
  const message = `${method.toUpperCase()}\n\n\n${expires}\n${url.pathname}${action}`;
  const bytes = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const key = await crypto.subtle.importKey("raw", bytes.encode(accesskey), algorithm, false, ["sign"]);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(message)));
  url.searchParams.set("accessid", accessid);
  url.searchParams.set("expires", expires);
  url.searchParams.set("signature", btoa(String.fromCharCode(...signature)));
  return url.href;
}
