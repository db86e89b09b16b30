// Shows the OpenAPI document, and sends requests to this server. Nothing is loaded from elsewhere, and no text becomes HTML.
const make = (name, text, ...children) => {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};

const exampleOf = (schema, all) => {
  if (!schema) return null;
  if (schema.$ref) return exampleOf(all[schema.$ref.split("/").pop()], all);
  if ("example" in schema) return schema.example;
  if (schema.enum) return schema.enum[0];
  const variant = (schema.oneOf || schema.anyOf || []).find((one) => one.type !== "null");
  if (variant) return exampleOf(variant, all);
  const type = [].concat(schema.type)[0];
  if (type === "array") return [];
  if (type === "boolean") return false;
  if (type === "integer" || type === "number") return schema.minimum || 0;
  if (schema.properties) {
    return Object.fromEntries(Object.entries(schema.properties).map(([name, field]) => [name, exampleOf(field, all)]));
  }
  return "";
};

const route = (method, path, operation, all) => {
  const box = make("details", "", make("summary", "", make("b", method.toUpperCase()), `${path}  ${operation.summary || operation.description || ""}`));
  const inputs = (operation.parameters || []).map((parameter) => {
    const input = make("input");
    box.append(make("p", "", make("label", `${parameter.name} (${parameter.in}) `, input)));
    return [parameter, input];
  });
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const body = content && make("textarea");
  if (body) {
    body.value = JSON.stringify(exampleOf(content.schema, all), null, 2);
    box.append(body);
  }
  const answer = make("pre");
  const send = make("button", "Send");
  send.onclick = async () => {
    let url = path;
    const query = new URLSearchParams();
    const headers = {};
    const token = document.getElementById("token").value;
    if (token) headers.Authorization = `Bearer ${token}`;
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value && parameter.in === "query") query.set(parameter.name, input.value);
      else if (input.value) headers[parameter.name] = input.value;
    }
    if (body) headers["Content-Type"] = "application/json";
    const search = query.size ? `?${query}` : "";
    const response = await fetch(url + search, { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
    const text = await response.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it is */ }
    answer.textContent = `${response.status}\n${shown}`;
  };
  box.append(make("p", "", send), answer);
  return box;
};

fetch("/api/openapi.json").then((response) => response.json()).then((api) => {
  const all = (api.components && api.components.schemas) || {};
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      document.getElementById("routes").append(route(method, path, operation, all));
    }
  }
});
