/**
 * A service whose policy holds every action until a person approves it, with every door by which an enforcement point asks, and pairs of
 * actions: one that is approved, and one that is tried.
 */
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { readUnverified } from "../../src/bundle/verify.js";
import { BEHAVIOR_DEFAULTS, type Answer, type Catalogue, type PolicyData } from "../../src/contract/index.js";
import { openEmbedded, type Embedded } from "../../src/embedded.js";
import { Denied } from "../../src/client/index.js";
import { GuardedCalls } from "../../src/guards/mcp/calls.js";
import { parseGuardConfig } from "../../src/guards/mcp/config.js";
import { asking, type Remit } from "../../src/guards/mcp/remit.js";
import type { Upstream } from "../../src/guards/mcp/upstream.js";
import { system } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { logged } from "../guards/mcp/support.js";
import { KEY, NAME, archive, content, json, policyData, publicPem, purpose, signed } from "../bundle/support.js";
import { AGENT, ask, inAnHour, runWithFacts } from "../http/asking.js";
import { tokenFor, type Running } from "../http/running.js";
import { numbers } from "../threats/threat.js";

/** An action with a value for everything that a policy can see of it. */
export interface Wanted {
  caller: "gateway-1" | "app-1";
  agent: string;
  purpose: string;
  /** Person and number of a task; null: none. */
  task: { person: string; number: number } | null;
  verb: string;
  id: string;
  customer: string;
  cents: number;
  order: string;
  order_owner: string;
  text: string;
  amount: number;
  session: string;
  source: string | null;
}

/** What may differ from one attempt to the next. */
export interface Around {
  trace: string;
  request_id: string;
}

/** How a door was asked, and what came of it. */
export interface Ended {
  proceed: boolean;
  decision_id: string;
  finding: string;
}

export type DoorName = "POST /decide" | "a batch" | "OPA" | "AuthZEN" | "Envoy" | "MCP" | "an engine in an application";
export const DOORS: readonly DoorName[] = ["POST /decide", "a batch", "OPA", "AuthZEN", "Envoy", "MCP", "an engine in an application"];

const isCollection = (verb: string): boolean => verb === "create";
const VERBS = ["send", "update", "create"];
export const DOMAINS = {
  caller: ["gateway-1", "app-1"],
  agent: ["a", "b"],
  purpose: ["testing", "roaming"],
  task: [null, { person: "ada", number: 1 }, { person: "ada", number: 2 }, { person: "bob", number: 1 }],
  verb: VERBS,
  id: ["n-1", "n-2"],
  customer: ["ada", "bob", "cyd"],
  cents: [100, 9000],
  order: ["O-1", "O-2"],
  order_owner: ["ada", "bob"],
  text: ["hello", "goodbye"],
  amount: [1, 2],
  session: ["S-1", "S-2"],
  source: [null, "wl-1"],
} as const satisfies { [K in keyof Wanted]: readonly Wanted[K][] };

const HELD = {
  about: "any" as const,
  when: [],
  reason: { effect: "flag" as const, code: "to_be_approved", severity: "medium" as const, params: {}, proceed: false },
  obligations: [],
};

const DATA: PolicyData = ((): PolicyData => {
  const data = policyData();
  const held = {
    ...purpose(),
    behavior: { ...BEHAVIOR_DEFAULTS, log: null, flag: null, hold: null, narrow: null, suspend: null, channels: {} },
    allow: {},
    flag: { note: Object.fromEntries(VERBS.map((verb) => [verb, [HELD]])) },
  };
  const word = { kind: "id" } as const;
  return {
    ...data,
    vocabulary: {
      ...data.vocabulary,
      task: { attributes: {}, subjects: [] },
      types: {
        note: {
          about: {},
          arguments: { amount: { kind: "integer" }, text: { kind: "string", max: 100 } },
          attributes: { customer: word, cents: { kind: "integer" } },
          id: "name",
          related: { order: "order" },
        },
        order: { about: {}, arguments: {}, attributes: { owner: word }, id: "name", related: {} },
      },
      verbs: {
        send: { class: "send", collection: false },
        update: { class: "write", collection: false },
        create: { class: "write", collection: true },
      },
    },
    purposes: { testing: held, roaming: held },
  };
})();

const CATALOGUE: Catalogue = {
  to_be_approved: {
    effect: "flag",
    severity: "medium",
    title: "to be approved",
    message: "a person approves this",
    tell_agent: "A person has been asked.",
    purposes: ["testing", "roaming"],
    sources: ["purposes.yaml:1"],
  },
};

/** The same policy under another sequence. */
export async function holdingBundle(sequence = 12): Promise<Buffer> {
  const { wasm } = await readUnverified(readFileSync(asset("bundles", "retail.tar.gz")));
  const files = content({ sequence, expires: null }, DATA).set("policy.wasm", wasm).set("catalogue.json", json(CATALOGUE));
  return archive(signed(files));
}

const ENVOY = `
agent: {trusted_header: x-agent}
purpose: {trusted_header: x-purpose}
task: {trusted_header: x-task}
session: {trusted_header: x-session}
source: {trusted_header: x-source}
routes:
${VERBS.map((verb) => {
  const id = verb === "create" ? "" : "id: body.id, ";
  const ignored = verb === "create" ? ", ignore: [body.id]" : "";
  const related = "related: {order: {type: order, id: body.order, attributes: {owner: body.order_owner}}}";
  return `  - {on: POST /${verb}, ${verb}: note, ${id}attributes: {customer: body.customer, cents: body.cents}, ${related}, arguments: {text: body.text, amount: body.amount}${ignored}}\n`;
}).join("")}`;

const MCP = parseGuardConfig(
  stringify({
    hold_ms: 0,
    ...{ agent: "a", purpose: "testing", task: {}, server: { url: "http://127.0.0.1:9" }, remit: { url: "http://127.0.0.1:9" } },
    tools: Object.fromEntries(
      VERBS.map((verb) => [
        verb,
        {
          [verb]: "note",
          ...(isCollection(verb) ? { ignore: ["id"] } : { id: "id" }),
          attributes: { customer: "customer", cents: "cents" },
          related: { order: { type: "order", id: "order", attributes: { owner: "order_owner" } } },
          arguments: { text: "text", amount: "amount" },
        },
      ]),
    ),
  }),
  "/tmp/guard.yaml",
);

const AUTHZEN = {
  identifier: "https://pdp.example.com",
  subjects: { agent: {} },
  resources: {
    note: { related: { order: { id: "resource.properties.order", attributes: { owner: "resource.properties.order_owner" } } } },
  },
};

const SCOPES = "remit:decide remit:embed remit:bundle";
export const TOKENS = { "gateway-1": tokenFor(SCOPES, "gateway-1"), "app-1": tokenFor(SCOPES, "app-1") };
export const REVIEWER = tokenFor("remit:review", "reviewer-1");

const taskOf = ({ agent, purpose: of, task }: Wanted): string | null =>
  task === null ? null : `T-${agent}-${of}-${task.person}-${task.number}`;

export function actionOf(wanted: Wanted, around: Partial<Around> = {}): Record<string, unknown> {
  const { agent, purpose: of, verb, id, customer, cents, order, order_owner, text, amount, session, source } = wanted;
  const task = taskOf(wanted);
  return {
    ...{ agent, purpose: of, verb },
    ...(task !== null && { task }),
    resource: { type: "note", id: isCollection(verb) ? null : id, attributes: { customer, cents } },
    related: { order: { type: "order", id: order, attributes: { owner: order_owner } } },
    arguments: { text, amount },
    context: { session, ...(source !== null && { source }), ...(around.trace !== undefined && { trace: around.trace }) },
    ...(around.request_id !== undefined && { request_id: around.request_id }),
  };
}

/** Whether a policy sees the same of both. */
export function isSame(one: Wanted, other: Wanted): boolean {
  const seen = (wanted: Wanted): string =>
    JSON.stringify(Object.keys(DOMAINS).map((name) => (name === "id" && isCollection(wanted.verb) ? null : wanted[name as keyof Wanted])));
  return seen(one) === seen(other);
}

export class Doors {
  readonly service: Running;
  readonly #folder: string;
  readonly #engine: Embedded;

  static async open(): Promise<Doors> {
    const folder = mkdtempSync(join(tmpdir(), "remit-doors-"));
    writeFileSync(join(folder, "envoy.yaml"), ENVOY);
    const sections = {
      envoy: { mapping: join(folder, "envoy.yaml"), path: "/envoy" },
      authzen: AUTHZEN,
      limits: { decisions_per_caller_max: 64 },
    };
    const service = await runWithFacts(sections, await holdingBundle());
    const engine = await openEmbedded({
      dir: join(folder, "engine"),
      bundle: { name: NAME, keys: publicPem(KEY) },
      service: { url: service.url, token: TOKENS["app-1"] },
      report: () => undefined,
    });
    return new Doors(service, folder, engine);
  }

  private constructor(service: Running, folder: string, engine: Embedded) {
    [this.service, this.#folder, this.#engine] = [service, folder, engine];
  }

  async close(): Promise<void> {
    await this.#engine.close();
    await this.service.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Registers two agents with all tasks that actions may name. @returns their ids */
  async agents(n: number): Promise<readonly [string, string]> {
    const ids = [`a-${n}`, `b-${n}`] as const;
    for (const id of ids) {
      await this.#made("/agents", { ...AGENT, id, purposes: [...DOMAINS.purpose] });
      for (const of of DOMAINS.purpose) {
        for (const task of DOMAINS.task) {
          if (task === null) continue;
          const named = taskOf({ agent: id, purpose: of, task } as Wanted);
          await this.#made("/tasks", { id: named, agent: id, purpose: of, principal: task.person, expires: inAnHour() });
        }
      }
    }
    return ids;
  }

  async #made(path: string, body: object): Promise<void> {
    const { outcome } = await ask(this.service, "POST", path, { body });
    if (outcome !== "201") throw new Error(`${path}: ${outcome}`);
  }

  /** @returns the outcome, such as `201` */
  async approve({ finding, decision_id }: Ended, token = REVIEWER): Promise<string> {
    const asked = { body: { decision: decision_id, reason: "looked at it" }, token };
    return (await ask(this.service, "POST", `/findings/${finding}/approvals`, asked)).outcome;
  }

  /** Doors through which this caller asks for such an action. */
  of({ caller, task, source }: Wanted): readonly DoorName[] {
    const isOpen = (door: DoorName): boolean =>
      door === "MCP" ? task !== null && source === null : door !== "an engine in an application" || caller === "app-1";
    return DOORS.filter(isOpen);
  }

  async ask(door: DoorName, wanted: Wanted, around: Partial<Around> = {}): Promise<Ended> {
    const action = actionOf(wanted, around);
    switch (door) {
      case "POST /decide":
        return endOf(await this.#post("/decide", action, wanted));
      case "a batch":
        return endOf(((await this.#post("/decide/batch", { actions: [action] }, wanted))["answers"] as unknown[])[0]);
      case "OPA":
        return endOf((await this.#post("/v1/data/remit/decide", { input: action }, wanted))["result"]);
      case "AuthZEN":
        return this.#authzen(wanted);
      case "Envoy":
        return this.#envoy(wanted);
      case "MCP":
        return this.#mcp(wanted);
      case "an engine in an application":
        return endOf(await this.#engine.decide(action as never));
    }
  }

  async #post(path: string, body: unknown, { caller }: Wanted, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.service.url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKENS[caller]}`, "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async #authzen(wanted: Wanted): Promise<Ended> {
    const { agent, purpose: of, verb, id, customer, cents, order, order_owner, text, amount, session, source } = wanted;
    const task = taskOf(wanted);
    const answer = await this.#post(
      "/access/v1/evaluation",
      {
        subject: { type: "agent", id: agent },
        action: { name: verb, properties: { text, amount } },
        resource: { type: "note", id: isCollection(verb) ? "none" : id, properties: { customer, cents, order, order_owner } },
        context: { purpose: of, session, ...(source !== null && { source }), ...(task !== null && { task }) },
      },
      wanted,
    );
    const { evaluation_id = "", finding = "" } = answer["context"] as Partial<Record<string, string>>;
    return { proceed: answer["decision"] === true, decision_id: evaluation_id, finding };
  }

  async #envoy(wanted: Wanted): Promise<Ended> {
    const { caller, agent, purpose: of, verb, session, source, id, customer, cents, order, order_owner, text, amount } = wanted;
    const task = taskOf(wanted);
    const response = await fetch(`${this.service.url}/envoy/${verb}`, {
      method: "POST",
      headers: {
        ...{ "content-type": "application/json", "x-envoy-auth-partial-body": "false", "x-agent": agent, "x-purpose": of },
        ...{ "x-session": session, ...(source !== null && { "x-source": source }), "x-remit-authorization": `Bearer ${TOKENS[caller]}` },
        ...(task !== null && { "x-task": task }),
      },
      body: JSON.stringify({ id, customer, cents, order, order_owner, text, amount }),
    });
    if (response.ok) return { proceed: true, decision_id: response.headers.get("x-remit-decision-id") ?? "", finding: "" };
    const body = (await response.json()) as Record<string, string>;
    if (body["code"] !== "waiting") throw new Error(JSON.stringify(body));
    return { proceed: false, decision_id: body["decision_id"] ?? "", finding: body["finding"] ?? "" };
  }

  /** As a guard's session calls a tool of a server that does whatever reaches it. */
  async #mcp(wanted: Wanted): Promise<Ended> {
    const { caller, agent, purpose: of, verb, session, id, customer, cents, order, order_owner, text, amount } = wanted;
    const task = taskOf(wanted) ?? "";
    const done: string[] = [];
    const upstream = {
      ask: (method: string) => {
        done.push(method);
        return Promise.resolve({ result: { content: [] } });
      },
    } as unknown as Upstream;
    const client = asking(this.service.url, () => TOKENS[caller]);
    const refused: Answer[] = [];
    const remit: Remit = {
      guard: async (...asked) => {
        try {
          return await client.guard(...asked);
        } catch (cause) {
          if (cause instanceof Denied && cause.answer !== null) refused.push(cause.answer);
          throw cause;
        }
      },
      createTask: (asked) => client.createTask(asked),
      endTask: (...asked) => client.endTask(...asked),
      report: (...asked) => client.report(...asked),
      close: () => client.close(),
    };
    const mapped = MCP.tools.get(verb);
    if (mapped === undefined) throw new Error(verb);
    const given = { id, customer, cents, order, order_owner, text, amount };
    const calls = new GuardedCalls({ session, config: MCP, remit, upstream, log: logged().log, timers: system.timers });
    const served = { signal: new AbortController().signal, progress: null, headers: {} };
    const who = { as: { agent, purpose: of, task }, agent_token: null, made: false };
    try {
      await calls.decided(
        { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: verb, arguments: given } },
        served,
        who,
        mapped,
        given,
      );
      return { proceed: done.length === 1, decision_id: "", finding: "" };
    } catch (cause) {
      if (refused.length === 0 || done.length > 0) throw cause;
      return endOf(refused[0]);
    } finally {
      await client.close();
    }
  }
}

function endOf(answer: unknown): Ended {
  const { proceed, decision_id, finding = "" } = answer as Answer;
  return { proceed, decision_id, finding };
}

/** Pairs that share their agents: an agent has so many approvals at once. */
const PAIRS_PER_AGENT = 50;
/** Groups of such pairs that are tried side by side: most of a pair's time is spent waiting for answers. */
const LANES = 8;

interface TriedPairs {
  /** Pairs of which the second was permitted though it differs, or wasn't though it is the same, in words. */
  wrong: string[];
  /** Pairs that were the same. */
  same: number;
}

/** Draws pairs, approves the first of each, and tries the second. */
export async function tryPairs(doors: Doors, pairs: number, seed: number): Promise<TriedPairs> {
  const all: TriedPairs = { wrong: [], same: 0 };
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < pairs && all.wrong.length < 10) {
      const from = next;
      next += PAIRS_PER_AGENT;
      const { wrong, same } = await tryGroup(doors, from, Math.min(PAIRS_PER_AGENT, pairs - from), numbers(seed + from));
      all.wrong.push(...wrong);
      all.same += same;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return all;
}

async function tryGroup(doors: Doors, group: number, pairs: number, below: (limit: number) => number): Promise<TriedPairs> {
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T;
  const names = Object.keys(DOMAINS) as (keyof Wanted)[];
  const wrong: string[] = [];
  let same = 0;
  const ids = await doors.agents(group);
  const drawn = (name: keyof Wanted): Wanted[keyof Wanted] => (name === "agent" ? one(ids) : one<Wanted[keyof Wanted]>(DOMAINS[name]));
  for (let pair = 0; pair < pairs; pair++) {
    const approved = Object.fromEntries(names.map((name) => [name, drawn(name)])) as unknown as Wanted;
    const tried: Wanted = { ...approved };
    for (let changes = below(4); changes > 0; changes--) {
      const name = one(names);
      Object.assign(tried, { [name]: drawn(name) });
    }
    const around = (): Around => ({ trace: `t-${below(1e9)}`, request_id: `r-${below(1e9)}` });
    const [first, second] = [one(doors.of(approved)), one(doors.of(tried))];
    const held = await doors.ask(first, approved, around());
    const said = `${JSON.stringify(approved)} by ${first}, then ${JSON.stringify(tried)} by ${second}`;
    const outcome = held.proceed ? "it wasn't held" : await doors.approve(held);
    if (outcome !== "201") {
      wrong.push(`${outcome}: ${said}`);
      continue;
    }
    const isEqual = isSame(approved, tried);
    same += Number(isEqual);
    if ((await doors.ask(second, tried, around())).proceed !== isEqual) wrong.push(`${isEqual ? "held" : "permitted"}: ${said}`);
    // The approval was good all the while, and is gone now.
    else if ((await doors.ask(first, approved, around())).proceed === isEqual) wrong.push(`${isEqual ? "used twice" : "lost"}: ${said}`);
  }
  return { wrong, same };
}
