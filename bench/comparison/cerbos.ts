/**
 * Cerbos' own server, over HTTP and gRPC, without its audit log. Its author writes one policy for each type of resource, purposes
 * are roles, and limits are constants. It keeps no facts: whoever asks sends those of the agent and its task.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadSync } from "@grpc/proto-loader";
import { stringify } from "yaml";
import { freePort } from "../../demo/ports.js";
import { asset } from "../../src/system/paths.js";
import { answers, type Processes } from "../processes.js";
import type { Engine } from "./engine.js";
import type { Verdict } from "./oracle.js";
import { TYPES, VERBS, type AccessRequest, type Purpose, type Type, type Verb, type World } from "./world.js";

const VERSION = "0.51.0";
const HOST = "127.0.0.1";
const INSTALL_MS_MAX = 120_000;
const API = "api.cerbos.dev/v1";

/** Returns the program, installed into a cache folder on first use; null, with a message, if it can't be installed. */
export async function findCerbos(): Promise<string | null> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", `cerbos-${VERSION}`);
  const platform = `cerbos-${process.platform}-${process.arch}`;
  const program = join(cache, "node_modules", "@cerbos", platform, platform);
  if (existsSync(program)) return program;
  console.error(`installing cerbos ${VERSION} into ${cache}, once`);
  mkdirSync(cache, { recursive: true });
  try {
    const options = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix", cache];
    await promisify(execFile)("npm", ["install", ...options, `cerbos@${VERSION}`], { cwd: cache, timeout: INSTALL_MS_MAX });
  } catch (cause) {
    console.error(`Cerbos is left out: npm could not install it: ${String(cause).split("\n")[0] ?? ""}`);
    return null;
  }
  if (existsSync(program)) return program;
  console.error(`Cerbos is left out: it has no program for ${process.platform} on ${process.arch}`);
  return null;
}

/** Two engines on one server. */
export async function startCerbos(processes: Processes, program: string, world: World): Promise<Engine[]> {
  const folder = join(processes.folder, "cerbos");
  const policies = join(folder, "policies");
  mkdirSync(policies, { recursive: true });
  for (const [name, policy] of Object.entries(policiesFor(world))) writeFileSync(join(policies, `${name}.yaml`), stringify(policy));
  const [port, grpcPort] = [await freePort(), await freePort()];
  const config = join(folder, "cerbos.json");
  writeFileSync(
    config,
    JSON.stringify({
      server: { httpListenAddr: `${HOST}:${port}`, grpcListenAddr: `${HOST}:${grpcPort}` },
      storage: { driver: "disk", disk: { directory: policies, watchForChanges: false } },
      telemetry: { disabled: true },
    }),
  );
  const child = processes.start("cerbos", "measured", program, ["server", "--config", config, "--log-level", "error"]);
  await answers(`http://${HOST}:${port}/_cerbos/health`);
  const { requests } = world;
  const asked = requests.map((request) => checkRequest(world, request));
  const common = { process: child, requests };
  const http = {
    host: HOST,
    port,
    path: "/api/check/resources",
    headers: { "content-type": "application/json" },
    bodies: asked.map((one) => JSON.stringify(one)),
  };
  const { path, encode, decode } = grpcCodec();
  const grpc = { host: HOST, port: grpcPort, path, headers: {}, bodies: asked.map((one) => encode(one).toString("base64")), grpc: true };
  return [
    { ...common, name: "Cerbos, HTTP", job: http, verdict: (body) => verdictOf(JSON.parse(body.toString()) as CheckAnswer) },
    { ...common, name: "Cerbos, gRPC", job: grpc, verdict: (body) => verdictOf(decode(body)) },
  ];
}

interface CheckAnswer {
  results: { actions: Record<string, string>; outputs?: { val: { codes?: string[] } | string[] }[] }[];
}

/** Cerbos knows allow and deny: a flag is an allow with codes. */
function verdictOf({ results: [result] }: CheckAnswer): Verdict {
  const isAllowed = Object.values(result?.actions ?? {})[0] === "EFFECT_ALLOW";
  const codes = (result?.outputs ?? []).flatMap(({ val }) => val as string[]).sort();
  if (!isAllowed) return { decision: "deny", codes: codes.length > 0 ? codes : ["not_permitted"] };
  return { decision: codes.length > 0 ? "flag" : "allow", codes };
}

function checkRequest({ agents, tasks }: World, { agent, purpose, task, verb, resource, context }: AccessRequest): object {
  const attr = { purpose, purposes: agents[agent]?.purposes ?? [], task: { id: task, ...tasks[task] } };
  return {
    requestId: context.session,
    principal: { id: agent, roles: [purpose], attr },
    resources: [{ resource: { kind: resource.type, id: resource.id, attr: resource.attributes }, actions: [verb] }],
  };
}

function policiesFor({ purposes }: World): Record<string, object> {
  const limits = Object.fromEntries(Object.entries(purposes).map(([id, { limit_cents: limit }]) => [id, limit]));
  const definitions = {
    registered: "P.attr.purpose in P.attr.purposes",
    own_task: "P.attr.task.agent == P.id",
    other_customer: "R.attr.customer != P.attr.task.customer",
    large: "has(R.attr.amount_cents) && R.attr.amount_cents > C.limits[P.attr.purpose]",
    flags: "(V.large ? ['large_amount'] : []) + (V.other_customer ? ['other_customer'] : [])",
  };
  const shared = {
    limits: { apiVersion: API, exportConstants: { name: "limits", definitions: { limits } } },
    common: { apiVersion: API, exportVariables: { name: "common", definitions } },
  };
  const ofTypes = TYPES.map((type) => [type, { apiVersion: API, resourcePolicy: resourcePolicy(type, Object.entries(purposes)) }] as const);
  return { ...shared, ...Object.fromEntries(ofTypes) };
}

function resourcePolicy(type: Type, purposes: [string, Purpose][]): object {
  const deny = (expr: string, code: string) => ({
    actions: ["*"],
    effect: "EFFECT_DENY",
    roles: ["*"],
    condition: { match: { expr } },
    output: { when: { ruleActivated: `['${code}']` } },
  });
  const admitted = "V.registered && V.own_task";
  const rolesOf = (rules: "permits" | "never", verb: Verb): string[] =>
    purposes.filter(([, its]) => its[rules][type].includes(verb)).map(([id]) => id);
  const rules = VERBS[type].flatMap((verb) => {
    const [allowed, forbidden] = [rolesOf("permits", verb), rolesOf("never", verb)];
    const allow = {
      actions: [verb],
      effect: "EFFECT_ALLOW",
      roles: allowed,
      condition: { match: { expr: verb === "read" ? admitted : `${admitted} && !V.other_customer` } },
      output: { when: { ruleActivated: "V.flags" } },
    };
    const never = { ...deny(admitted, "never_permitted"), actions: [verb], roles: forbidden };
    return [...(allowed.length > 0 ? [allow] : []), ...(forbidden.length > 0 ? [never] : [])];
  });
  return {
    resource: type,
    version: "default",
    constants: { import: ["limits"] },
    variables: { import: ["common"] },
    rules: [deny("!V.registered", "purpose_not_registered"), deny("V.registered && !V.own_task", "task_of_another_agent"), ...rules],
  };
}

function grpcCodec(): { path: string; encode: (request: object) => Buffer; decode: (answer: Buffer) => CheckAnswer } {
  const options = { keepCase: false, enums: String, defaults: false, longs: Number };
  const service = loadSync(asset("bench", "comparison", "cerbos.proto"), options)["cerbos.svc.v1.CerbosService"];
  if (service === undefined || "format" in service || service["CheckResources"] === undefined)
    throw new Error("cerbos.proto has no CheckResources");
  const { path, requestSerialize, responseDeserialize } = service["CheckResources"];
  return {
    path,
    encode: (request) => requestSerialize(asValues(request)),
    decode: (answer) => {
      const { results = [] } = responseDeserialize(answer) as {
        results?: { actions: Record<string, string>; outputs?: { val: Value }[] }[];
      };
      return {
        results: results.map(({ actions, outputs = [] }) => ({
          actions,
          outputs: outputs.map(({ val }) => ({ val: fromValue(val) as string[] })),
        })),
      };
    },
  };
}

/** A `google.protobuf.Value`, as the loader has it. */
interface Value {
  stringValue?: string;
  listValue?: { values?: Value[] };
}

function fromValue({ stringValue, listValue }: Value): unknown {
  return listValue === undefined ? stringValue : (listValue.values ?? []).map(fromValue);
}

/** The request with every attribute as a `google.protobuf.Value`. */
function asValues(request: object): object {
  const { requestId, principal, resources } = request as {
    requestId: string;
    principal: { id: string; roles: string[]; attr: object };
    resources: { resource: { kind: string; id: string; attr: object }; actions: string[] }[];
  };
  return {
    requestId,
    principal: { ...principal, attr: valuesOf(principal.attr) },
    resources: resources.map(({ resource, actions }) => ({ resource: { ...resource, attr: valuesOf(resource.attr) }, actions })),
  };
}

function valuesOf(attributes: object): object {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, valueOf(value)]));
}

function valueOf(value: unknown): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "number") return { numberValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(valueOf) } };
  return { structValue: { fields: valuesOf(value as object) } };
}
