// Makes src/api/schema.d.ts of openapi.json. The document's operation ids are names of functions and not unique, so paths alone count.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const document = JSON.parse(readFileSync(new URL("./openapi.json", import.meta.url), "utf8"));
for (const operations of Object.values(document.paths)) {
  for (const operation of Object.values(operations)) delete operation.operationId;
}
writeFileSync(new URL("./src/api/schema.d.ts", import.meta.url), astToString(await openapiTS(document)));
