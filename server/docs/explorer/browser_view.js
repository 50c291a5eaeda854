// A contract as a browser can speak it: every act has a form of its own, and nothing is offered that fetch cannot send.

const SIGNING = new Set(["accessid", "expires", "signature"]);

/** Return a copy of an OpenAPI document whose operations can all be sent by a browser. */
export function browserView(contract) {
  const paths = {};
  for (const [path, item] of Object.entries(contract.paths)) {
    for (const [method, operation] of operationsOf(item)) {
      const sendable = withoutHeaderSignature(contract, withParameters(contract, item, operation));
      for (const act of unfold(contract, sendable)) {
        const query = act.query ? `?${new URLSearchParams(act.query)}` : "";
        (paths[path + query] ??= {})[method] = act.operation;
      }
    }
  }
  const servers = contract.servers.slice(-1); // relative: the page may have been opened under another name
  return { ...contract, servers, paths, components: withUsedSchemes(contract.components, paths) };
}

/** Give an operation the parameters of its path too, each filled in with the first of its examples. */
function withParameters(contract, item, operation) {
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((parameter) => {
    const { examples, ...rest } = resolve(contract, parameter);
    return examples ? { ...rest, examples, example: values(contract, examples)[0].value } : rest;
  });
  return { ...operation, parameters };
}

/** Return examples without their names. */
function values(contract, examples = {}) {
  return Object.values(examples).map((example) => resolve(contract, example));
}

/** Return the operations of a path by their methods; what else stands there has no operationId. */
export function operationsOf(item) {
  return Object.entries(item).filter(([, operation]) => operation.operationId);
}

/** Leave out the security schemes that no operation asks for. */
function withUsedSchemes(components, paths) {
  const operations = Object.values(paths).flatMap(operationsOf);
  const used = new Set(operations.flatMap(([, { security = [] }]) => security.flatMap(Object.keys)));
  const schemes = Object.entries(components.securitySchemes ?? {}).filter(([name]) => used.has(name));
  return { ...components, securitySchemes: Object.fromEntries(schemes) };
}

/** Follow a reference within the document. */
export function resolve(document, node) {
  return node?.$ref ? node.$ref.slice(2).split("/").reduce((place, name) => place[name], document) : node;
}

/** Make one form of each act of an operation whose acts are told apart in the query. */
function unfold(contract, operation) {
  const { parameters, requestBody, "x-action": action, ...rest } = operation;
  if (!action?.requires) {
    return [{ operation }];
  }
  const { name, requires, allows = {}, without } = action;
  const members = new Set([name, ...Object.values(requires).flat(), ...Object.values(allows).flat()]);
  const others = parameters.filter((parameter) => !members.has(parameter.name));
  const texts = parameters.find((parameter) => parameter.name === name).examples;
  const acts = Object.entries(requires).map(([act, needed]) => {
    const { summary, description, "x-tag": tag = operation.tags[0] } = texts[act];
    const taken = [...needed, ...(allows[act] ?? [])].map((member) => {
      const { examples, example, ...parameter } = parameters.find((one) => one.name === member);
      if (needed.includes(member)) {
        return { ...parameter, required: true, example: examples?.[act]?.value ?? example };
      }
      const { example: _, ...schema } = resolve(contract, parameter.schema);
      return { ...parameter, required: false, schema }; // what an act can do without is not filled in
    });
    const texted = { ...rest, operationId: `${operation.operationId}_${act}`, tags: [tag], summary, description };
    return { query: { [name]: act }, operation: { ...texted, parameters: [...others, ...taken] } };
  });
  return without ? [{ operation: { ...rest, description: without, parameters: others } }, ...acts] : acts;
}

/** Leave out a signature in headers, which covers `Date`, and in the query, which the page fills in. */
function withoutHeaderSignature(contract, operation) {
  const { parameters, security } = operation;
  if (!parameters.some((parameter) => parameter.name === "Date")) {
    return operation;
  }
  const schemes = contract.components.securitySchemes;
  return {
    ...operation,
    parameters: parameters.filter(({ in: place, name }) => place !== "header" && !SIGNING.has(name)),
    security: security.filter((names) => Object.keys(names).every((name) => schemes[name].in !== "header")),
  };
}
