// A contract as a browser can speak it: every act has a form of its own, and nothing is offered that fetch cannot send.

/** Return a copy of an OpenAPI document whose operations can all be sent by a browser. */
export function browserView(contract) {
  const paths = {};
  for (const [path, item] of Object.entries(contract.paths)) {
    for (const [method, operation] of operationsOf(item)) {
      const sendable = withoutHeaderSignature(contract, withParameters(contract, item, operation));
      for (const act of unfold(contract, method, sendable)) {
        const query = act.query ? `?${new URLSearchParams(act.query)}` : "";
        (paths[path + query] ??= {})[method] = act.operation;
      }
    }
  }
  return { ...contract, paths, components: withUsedSchemes(contract.components, paths) };
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

/** Return a schema with what its `allOf` says. */
function merged(contract, schema) {
  const { allOf = [], ...rest } = resolve(contract, schema) ?? {};
  return Object.assign({}, ...allOf.map((part) => merged(contract, part)), rest);
}

/** Make one form of each act of an operation whose whole query, or whose body with GET, is one of several objects. */
function unfold(contract, method, operation) {
  const { parameters } = operation;
  const whole = parameters.find(({ in: place, schema }) => place === "query" && isObject(contract, schema));
  // browsers send no body with GET
  const body = method === "get" && operation.requestBody?.content?.["application/json"];
  const { schema, examples } = body || whole || {};
  const { oneOf, discriminator } = merged(contract, schema);
  if (!oneOf) {
    return [{ operation }];
  }
  const name = discriminator.propertyName;
  return oneOf.map((variant) => {
    const { properties = {}, required = [], description, "x-tag": tag } = resolve(contract, variant);
    const action = properties[name]?.enum[0];
    const example = values(contract, examples).find(({ value }) => value[name] === action);
    const fields = Object.keys(properties).filter((field) => field !== name);
    return {
      query: action && { [name]: action },
      operation: {
        ...operation,
        operationId: action ? `${operation.operationId}_${action}` : operation.operationId,
        tags: [tag ?? operation.tags[0]],
        summary: example?.summary ?? operation.summary,
        description,
        requestBody: body ? undefined : operation.requestBody,
        parameters: [
          ...parameters.filter((parameter) => parameter !== whole),
          ...fields.map((field) => ({
            name: field,
            in: "query",
            required: required.includes(field),
            description: descriptionOf(contract, properties[field]),
            schema: properties[field],
            example: example?.value[field],
          })),
        ],
      },
    };
  });
}

function isObject(contract, schema) {
  const { type, oneOf } = merged(contract, schema);
  return type === "object" || oneOf?.every((variant) => isObject(contract, variant));
}

function descriptionOf(contract, schema) {
  return schema.description ?? resolve(contract, schema).description;
}

/** Leave out a signature in headers: it covers `Date`, which browsers let nobody set. */
function withoutHeaderSignature(contract, operation) {
  const { parameters, security } = operation;
  if (!parameters.some((parameter) => parameter.name === "Date")) {
    return operation;
  }
  const schemes = contract.components.securitySchemes;
  return {
    ...operation,
    parameters: parameters.filter((parameter) => parameter.in !== "header"),
    security: security.filter((names) => Object.keys(names).every((name) => schemes[name].in !== "header")),
  };
}
