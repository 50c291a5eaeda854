// Opens Swagger UI on the contract that the page names.

import { browserView, operationsOf, resolve } from "./browser_view.js";
import { signer } from "./signature.js";

const place = document.getElementById("explorer");
const contract = await (await fetch(place.dataset.spec)).json();
const view = browserView(contract);
const schemes = Object.entries(view.components.securitySchemes);

explainAccess();

const ui = SwaggerUIBundle({
  domNode: place,
  spec: view,
  plugins: [explainCookies, takeTokens],
  requestInterceptor: isSigned() ? signer(field("accessid"), field("accesskey")) : undefined,
  onComplete: setFirstValues,
  tryItOutEnabled: true,
  deepLinking: true,
  displayRequestDuration: true,
  showCommonExtensions: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  validatorUrl: null,
});

function field(id) {
  return document.getElementById(id);
}

function isSigned() {
  return schemes.some(([name, scheme]) => name === "signature" && scheme.in === "query");
}

/** Say how this contract lets a caller in. */
function explainAccess() {
  const isCookie = schemes.some(([, scheme]) => scheme.in === "cookie");
  const note = field(`access-by-${isSigned() ? "signature" : isCookie ? "cookie" : "token"}`);
  note.replaceWith(note.content);
  if (isSigned() && !globalThis.crypto?.subtle) {
    field("unsigned").hidden = false;
    field("accessid").disabled = field("accesskey").disabled = true;
  }
}

/** Fill in what a client sends that has no credential yet, where the contract names it. */
function setFirstValues() {
  for (const [name, scheme] of schemes) {
    if (scheme["x-first-value"]) {
      ui.preauthorizeApiKey(name, scheme["x-first-value"]);
    }
  }
}

/** Say in the dialog why there is no input for a cookie: scripts cannot set one that they may not read. */
function explainCookies() {
  const explain = (ApiKey, { React }) => (props) =>
    props.schema.get("in") === "cookie"
      ? React.createElement(
          "p",
          { className: "by-cookie" },
          React.createElement("code", null, props.schema.get("name")),
          " is a cookie, and your browser sends it by itself once you have logged in. There is nothing to enter here.",
        )
      : React.createElement(ApiKey, props);
  return { wrapComponents: { apiKeyAuth: explain } };
}

/** Authorize with the token of an answer, where the contract's links say that later operations take it. */
function takeTokens() {
  const setResponse = (original) => (path, method, response) => {
    const done = original(path, method, response);
    const { responses } = view.paths[path][method];
    const { links = {} } = resolve(view, responses[response.status]) ?? {};
    for (const link of Object.values(links)) {
      for (const [name, scheme] of schemesOf(link.operationId)) {
        const token = read(link.parameters?.[scheme.name], response.body);
        if (token) {
          ui.preauthorizeApiKey(name, token);
        }
      }
    }
    return done;
  };
  return { statePlugins: { spec: { wrapActions: { setResponse } } } };
}

/** Return the security schemes that an operation asks for. */
function schemesOf(operationId) {
  const operations = Object.values(contract.paths).flatMap(operationsOf);
  const [, { security = [] }] = operations.find(([, operation]) => operation.operationId === operationId);
  return schemes.filter(([name]) => security.some((names) => name in names));
}

/** Evaluate an expression such as `$response.body#/data`. */
function read(expression, body) {
  const [source, pointer] = String(expression).split("#/");
  return source === "$response.body" ? pointer.split("/").reduce((node, name) => node?.[name], body) : undefined;
}
