/** A service that speaks AuthZEN, with a policy set of this folder, people registered and resources known. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { buildBundle } from "../../../src/bundle/build.js";
import { asset } from "../../../src/system/paths.js";
import { compiler } from "../../build/support.js";
import { KEY } from "../../bundle/support.js";
import { run, tokenFor, type Running } from "../../http/running.js";

export const IDENTIFIER = "https://pdp.example.com";
export const REVIEWER = tokenFor("remit:review", "reviewer-1");
export const CALLER = tokenFor("remit:decide", "gateway-1");

export interface Fixture {
  /** A folder of `policies`, or of `rego/policies`. */
  policies: string;
  /** Null: it isn't spoken. */
  authzen?: object | null;
  facts: object;
  entities?: object;
  sections?: object;
}

/** No anchors. */
const PLAIN = { aliasDuplicateObjects: false };

export async function runAuthzen({ policies, authzen, facts, entities, sections }: Fixture): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "remit-authzen-"));
  writeFileSync(join(folder, "facts.yaml"), stringify(facts, PLAIN));
  if (entities !== undefined) writeFileSync(join(folder, "entities.yaml"), stringify(entities, PLAIN));
  const own = asset("test", "adapters", "authzen", "policies", policies);
  const dir = existsSync(own) ? own : asset("rego", "policies", policies);
  const built = await buildBundle(await compiler(), {
    dir,
    key: KEY,
    sequence: 1,
    expiresMs: null,
    builtMs: Date.UTC(2026, 0, 1),
    commit: null,
  });
  const service = await run(
    {
      bundle: { name: policies, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state" },
      facts: { store: "store", file: join(folder, "facts.yaml") },
      ...(authzen === null ? {} : { authzen: sectionOf(authzen, entities && join(folder, "entities.yaml")) }),
      ...sections,
    },
    built.archive,
  );
  return {
    ...service,
    async stop() {
      await service.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function sectionOf(authzen: object | undefined, entities: string | undefined): object {
  const known = entities === undefined ? {} : { entities };
  return { identifier: IDENTIFIER, subjects: { user: {} }, ...known, ...authzen };
}

/** What is on record of decisions, in order. */
export async function recorded({ folder, stopKeeping }: Running): Promise<Record<string, unknown>[]> {
  await stopKeeping();
  const dir = join(folder, "log");
  const lines = readdirSync(dir)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(dir, name), "utf8").trim().split("\n"));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ kind }) => kind === "decision");
}

/** The certification scenario's fixture. */
export const RECORDS: Fixture = {
  policies: "records",
  authzen: { purpose: ["context.purpose", { is: "record_keeping" }] },
  facts: {
    agents: {
      alice: { owner: "tests", purposes: ["record_keeping"], attributes: { editor: true } },
      bob: { owner: "tests", purposes: ["record_keeping"] },
    },
  },
  entities: {
    user: { alice: {}, bob: { role: "admin" } },
    record: { "record-1": { status: "active" }, "record-2": { status: "archived" } },
  },
};

export interface Answered {
  status: number;
  headers: Headers;
  text: string;
  /** Of what is JSON. */
  body: Record<string, unknown>;
}

export async function ask(
  { url }: Pick<Running, "url">,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  method = "POST",
): Promise<Answered> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${CALLER}`, "content-type": "application/json", ...headers },
    ...(method === "GET" ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return { status: response.status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {} };
}
