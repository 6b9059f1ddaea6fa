/**
 * Writes docs/reference.md from the sources: `node dist/scripts/reference.js`. A test holds the file equal to what this makes.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { makeSandbox } from "../demo/sandbox.js";
import { BUNDLE_CODES } from "../src/bundle/errors.js";
import { EXIT_CODES } from "../src/cli/exit.js";
import {
  Answer,
  AmendTask,
  BUILTIN_REASONS,
  ChangeAgent,
  CreateAgent,
  CreateGrant,
  CreateRevocation,
  DecideRequest,
  EndGrant,
  ImportDocument,
  InForce,
  IssueTask,
  NarrowAgent,
  NarrowingState,
  PROBLEMS,
  SCOPES,
  type ProblemSpec,
} from "../src/contract/index.js";
import { TOKEN_FAULTS } from "../src/identity/faults.js";
import { startService } from "../src/service.js";
import { readConfig } from "../src/system/config.js";
import { system } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";
import { configReference } from "./config_reference.js";
import { editorSchemas } from "./editor_schemas.js";

interface Schema {
  type?: string | string[];
  description?: string;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
}

interface OpenApi {
  paths: Record<string, Record<string, Described>>;
}

interface Described {
  summary: string;
  security?: { bearer: string[] }[];
  parameters?: {
    name: string;
    in: string;
    required: boolean;
    description?: string;
    schema: Schema & { minimum?: number; maximum?: number };
  }[];
  responses: object;
}

const TOKENS = `Callers send a signed JWT (RFC 7519) as \`authorization: Bearer …\`; an agent's goes in \`agent_token\`.
Its key, named by \`kid\`, and that key's algorithm are those of an issuer of \`identity.issuers\` in \`remit.yaml\`.

| claim | required | meaning |
| --- | --- | --- |
| \`iss\` | yes | one of \`identity.issuers\`, exactly; a JWT-SVID (SPIFFE) may leave it out |
| \`aud\` | yes | holds that issuer's \`audience\` for callers or for agents, never both |
| \`sub\` | yes | the caller, by which \`callers\` names what it may ask for; or the agent, or, with \`act\`, whom it acts for |
| \`act\` |  | an agent's: who acts (RFC 8693, section 4.1); earlier actors, one within the other, only narrow |
| \`exp\` | yes | seconds; at most \`identity.token_lifetime_max_s\` away; an agent's has no leeway |
| \`nbf\`, \`iat\` |  | seconds; in the past |
| \`jti\` |  | by which the token can be revoked |
| \`scope\` |  | a caller's: scopes with spaces between them; without one of them the token opens nothing |

A task token is a JWT of type \`remit-task+jwt\` that the service signs itself with the key of \`identity.task_tokens\`; it stands in for the task's id.
A token that is not acceptable is refused with \`token_invalid\` and one of these as \`reason\`:`;

const FACTS = `Who may act: agents, their tasks, grants beside what purposes permit, and narrowings and revocations, which stand above all of it.
Each change is one event with who made it, when and why, and gets the next revision: \`revision\` in an answer is that of the fact's last change, and its \`ETag\`; \`facts_revision\` is that of everything, to be given as \`at_least\` with a request for a decision.
\`If-Match\` with the \`ETag\` of what was read makes a change only where nobody else has changed it since.
A list is in the order of ids; \`next\` is what to give as \`cursor\`, and null at the end.
An id in a path is percent-encoded where it has a slash.
Repeating a request changes nothing and is answered the same.

A registrar (\`remit:register\`) registers, changes and sees what \`callers\` in \`remit.yaml\` lets it speak for: all purposes of an agent it changes or grants something to, the purpose of a task.
Revoking, narrowing and suspending are bounded by their scopes alone.
A registrar that \`callers\` bounds is told \`agent_not_permitted\` of an id that isn't there as of one that isn't its own: it learns of no id by asking.
All ids are in one namespace, though: whoever registers one that is taken is told so.`;

const NARROWING = `What narrows (a revocation, a suspension, a narrowing, an end) holds before it is durable, whatever the store and the log do.
It is answered when every decision that began before has been answered or cut off.
Its answer says, beside the fact:`;

const IMPORT = `\`POST /facts/import\`, \`remit facts import\`, and the file at \`facts.file\` in \`remit.yaml\`, which is imported at the start and when it changes.
Either this as \`application/yaml\` (at most 1 MiB) or one fact a line as \`application/jsonl\`: \`{"agent": {"id": "support-7", …}}\`, \`{"task": …}\`, \`{"grant": …}\`, \`{"narrowing": {"agent": …, "reason": …}}\`, \`{"revocation": {"scope": …, "reason": …}}\`.
It is checked whole before the first change.
What it narrows holds once it is stored; \`POST /revocations\` doesn't wait for that.
\`GET /facts/export\` answers the same forms.`;

const FACTS_EXAMPLE = `<!-- is: facts.yaml -->

\`\`\`yaml
agents:
  support-6: {owner: support-platform@example.com, purposes: [customer_support]}
  support-7: {owner: support-platform@example.com, purposes: [customer_support]}
tasks:
  T-1:
    agent: support-7
    purpose: customer_support
    subjects: {ticket: [TCK-81], customer: [ada]} # of the vocabulary's \`task\`, each a list of ids
    attributes: {topic: billing}
    expires: "2027-03-02T18:00:00+01:00"
grants:
  G-1:
    agent: support-7
    entry: {read: invoice, about: other, when: {customer: bob}}
    reason: chargeback 4711
    requested_by: ada@example.com
    approved_by: lead@example.com
    expires: "2027-03-02T18:00:00+01:00" # at most \`facts.grant_lifetime_max_ms\` from when it begins
narrowings:
  support-7: {reason: incident 12, actions_per_minute: 5} # until somebody lifts it
revocations:
  agent/support-6: {reason: incident 12}
\`\`\``;

export async function referenceText(): Promise<string> {
  const api = await openApi();
  // prettier-ignore
  const sections = [
    ["# Reference", "Generated from the sources by `node dist/scripts/reference.js`; a test holds it equal to them."],
    ["## Routes", routes(api)],
    ["## Queries", "Every other parameter is refused, and so is any on a route that isn't here.", queries(api)],
    ["## Scopes", table(["scope", "a caller with it may"], Object.entries(SCOPES).map(([scope, may]) => [code(scope), may]))],
    ["## Tokens", TOKENS, table(["reason", "expected"], Object.entries(TOKEN_FAULTS).map(([fault, expected]) => [code(fault), expected]))],
    ["## A request for a decision", "`POST /decide`.\nNames are plain ASCII of at most 128 characters; other identifiers are NFC, visible, at most 256.", fields(DecideRequest as unknown as Schema)],
    ["## An answer", "Status 200, whatever the decision.", fields(Answer as unknown as Schema)],
    ["## Facts", FACTS],
    ["### Agents", "`POST /agents`", fields(CreateAgent as unknown as Schema), "`PATCH /agents/{id}`", fields(ChangeAgent as unknown as Schema)],
    ["### Tasks", "`POST /tasks`", fields(IssueTask as unknown as Schema), "`PATCH /tasks/{id}`", fields(AmendTask as unknown as Schema)],
    ["### Grants", "`POST /grants`", fields(CreateGrant as unknown as Schema), "`PATCH /grants/{id}`", fields(EndGrant)],
    ["### Narrowings", "`POST /agents/{id}/narrowing`; [narrowing.md](narrowing.md) has what it leaves to an agent, and what narrows by itself.", fields(NarrowAgent), "As it is told and imported:", fields(NarrowingState)],
    ["### Revocations", "`POST /revocations`", fields(CreateRevocation as unknown as Schema), NARROWING, fields(InForce)],
    ["### Import and export", IMPORT, FACTS_EXAMPLE, authored(ImportDocument as unknown as Schema)],
    ["## Problems", "RFC 9457, `application/problem+json`, with `code`, `field` (a JSON pointer), `expected`, `hint`.\nAn enforcement point takes each as a deny.", problems()],
    ["## Reasons that every bundle may give", "From the service itself and the library in each bundle.\nA bundle's own codes are in its `catalogue.json`; `remit inspect` shows them.", reasons()],
    ["## Why a bundle is refused", table(["code", "meaning"], Object.entries(BUNDLE_CODES).map(([name, meaning]) => [code(name), meaning]))],
    ["## Exit codes", table(["code", "name", "meaning"], Object.entries(EXIT_CODES).map(([name, { code: exit, meaning }]) => [String(exit), code(name), meaning]))],
    ["## `vocabulary.yaml`", authored(editorSchemas().vocabulary)],
    ["## `purposes.yaml`", authored(editorSchemas().purposes)],
    ["## `tables/*.yaml`", authored(editorSchemas().table)],
    ["## `remit.yaml`", "Paths are relative to the file.\nAn unknown key refuses the start.", configReference().trim()],
  ];
  return `${sections.map((section) => section.join("\n\n")).join("\n\n")}\n`;
}

/** The document that a running service gives. */
async function openApi(): Promise<OpenApi> {
  const dir = mkdtempSync(join(tmpdir(), "remit-reference-"));
  const { config } = makeSandbox({
    dir,
    // No bundle is there, and none is needed to say what the routes are.
    bundle: { name: "none", path: "none.tar.gz", keys: ["issuer.pub.pem"] },
    facts: "agents: {}\n",
    port: 0,
  });
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const service = await startService(readConfig(config), system, quiet);
  try {
    return (await (await fetch(`${service.url}/openapi.json`)).json()) as OpenApi;
  } finally {
    await service.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

function routes({ paths }: OpenApi): string {
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary, security, responses }]) => {
      const scopes = (security ?? [])
        .flatMap(({ bearer }) => bearer)
        .map(code)
        .join(" or ");
      const statuses = Object.keys(responses).join(", ");
      return [code(`${method.toUpperCase()} ${path}`), scopes, summary, statuses];
    }),
  );
  return table(["route", "scope", "what it does", "statuses"], rows);
}

function queries({ paths }: OpenApi): string {
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [] }]) =>
      parameters
        .filter((parameter) => parameter.in === "query")
        .map(({ name, schema, description = "" }) => {
          const { minimum, maximum } = schema;
          const form = minimum === undefined ? kind(schema) : `${minimum} to ${maximum ?? ""}`;
          return [code(`${method.toUpperCase()} ${path}`), code(name), form, description];
        }),
    ),
  );
  return table(["route", "parameter", "form", "meaning"], rows);
}

function problems(): string {
  const rows = Object.entries(PROBLEMS).map(([name, { status, title, hint }]: [string, ProblemSpec]) => [
    code(name),
    String(status),
    hint === undefined ? title : `${title}; ${hint}`,
  ]);
  return table(["code", "status", "meaning"], rows);
}

function reasons(): string {
  const rows = [...BUILTIN_REASONS].map(([name, { effect, severity, message, tell_agent }]) => [
    code(name),
    effect,
    severity,
    message,
    tell_agent,
  ]);
  return table(["code", "effect", "severity", "message", "what the agent is told"], rows);
}

function fields(schema: Schema): string {
  const rows: string[][] = [];
  const walk = (of: Schema, at: string): void => {
    for (const [name, member] of Object.entries(of.properties ?? {})) {
      const path = at === "" ? name : `${at}.${name}`;
      const needed = of.required?.includes(name) === true ? "yes" : "";
      rows.push([code(path), needed, kind(member), meaning(member)]);
      if (member.properties !== undefined) walk(member, path);
      if (member.items?.properties !== undefined) walk(member.items, `${path}[]`);
    }
  };
  walk(schema, "");
  return table(["field", "required", "type", "meaning"], rows);
}

/** A file that authors write: what stands at each place, with `<name>` for names that they choose. */
function authored(schema: Schema): string {
  const rows: string[][] = [];
  const walk = (of: Schema, at: string): void => {
    const named = Object.entries(of.properties ?? {});
    const free = Object.values(of.patternProperties ?? {}).map((member): [string, Schema] => ["<name>", member]);
    for (const [name, member] of [...named, ...free]) {
      const path = at === "" ? name : `${at}.${name}`;
      rows.push([code(path), kind(member), meaning(member)]);
      walk(member, path);
      if (member.items !== undefined) walk(member.items, `${path}[]`);
    }
  };
  walk(schema, "");
  return table(["key", "form", "meaning"], rows);
}

function meaning({ description, anyOf = [] }: Schema): string {
  return description ?? anyOf.find((one) => one.description !== undefined)?.description ?? "";
}

function kind(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(String).join(", ");
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(kind))].join(" or ");
  return [schema.type ?? "any"].flat().join(" or ");
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(asset("docs", "reference.md"), await referenceText());
}
