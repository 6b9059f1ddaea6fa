/** What must not be read by whoever gets at records, logs or metrics. */
import { EventEmitter } from "node:events";
import { readFileSync, readdirSync, statSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join, relative } from "node:path";
import { verifyLog } from "../../src/audit/tree/verify.js";
import type { BuiltBundle } from "../../src/bundle/build.js";
import { system, systemClock, systemTimers } from "../../src/system/index.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { HOUR_MS, World as FactsWorld, at, turns } from "../facts/world.js";
import { ALL, post, run, tokenFor, type Running } from "../http/running.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";
import { Canaries, maskingBundle } from "../audit/privacy/canaries.js";

/** The host's own: what it was given to work with, which it needs as it is. */
const NOT_RECORDS = /^(?:store\/|facts\.yaml$|bundle\.|state\/|issuer)/;
const PURPOSE = "testing";

let bundle: BuiltBundle | undefined;
before(async function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  bundle = await maskingBundle();
});

threat("F5", "what a bundle masks is in no record, log or metric", {
  async check(tree) {
    const { startService } = await tree("service.js");
    const canaries = new Canaries();
    // Large requests stand beside their records.
    const service = await run({ limits: { body_bytes_max: 128 * 1024 } }, bundle?.archive ?? false, system, startService);
    try {
      await ask(service, canaries);
      const metrics = await (await get(service, "/metrics")).text();
      const events = await (await get(service, "/readyz")).text();
      await service.stopKeeping();
      for (const [what, text] of [
        ...filesOf(service.folder),
        ["the operational log", service.said()],
        ["metrics", metrics],
        ["readiness", events],
      ] as const) {
        const found = canaries.foundIn(text);
        if (found !== null) return `${found} is in ${what}`;
      }
      const [damage] = verifyLog({ folder: join(service.folder, "log"), keys: null, elsewhere: [] }).damage;
      if (damage !== undefined) throw new Error(`the records don't verify: ${damage.message}`);
      return null;
    } finally {
      await service.stop();
    }
  },
  without: {
    "masks in decisions": [cut.call("decision/commit.js", "#write", "#maskOf", "null")],
    "masks in records of facts": [cut.call("service.js", "startService", "maskedFacts", "log")],
    "what rules and templates may show": [
      cut.never("audit/privacy/masker.js", "#reason", "all", "reason"),
      cut.call("audit/privacy/masker.js", "#reason", ["#finds", "params"], "false"),
    ],
    "what rules oblige to": [cut.never("audit/privacy/masker.js", "#obligation", "obliged", "#holds")],
    "an action's digest under a key": [cut.never("audit/privacy/masker.js", "#answer", "#pointers", "isCovered")],
    "an approval's digest under a key": [cut.never("audit/privacy/masker.js", "facts", "approval", "digest")],
    "the digest of what waits under a key": [cut.never("audit/privacy/masker.js", "#answer", "approval_digest")],
    "grants' conditions": [cut.call("audit/privacy/masker.js", "facts", "#entry")],
    "masks of revoked principals": [cut.call("audit/privacy/masker.js", "facts", "#revocation")],
    "masks of what the floor refuses": [cut.call("audit/privacy/masker.js", "decision", "#request")],
  },
});

/** A canary wherever something is masked: in facts, in what is asked, in what is refused, in what is too large. */
async function ask(service: Running, canaries: Canaries): Promise<void> {
  const customer = canaries.text("a task's subject");
  const note = canaries.text("a task's attribute");
  const expires = new Date(system.clock.wall() + 3_600_000).toISOString();
  await put(service, "/agents", {
    id: "a-2",
    owner: "tests",
    purposes: [PURPOSE],
    attributes: { badge: canaries.text("an agent's attribute") },
  });
  await put(service, "/tasks", {
    id: "T-1",
    agent: "a-2",
    purpose: PURPOSE,
    subjects: { customer: [customer] },
    principal: canaries.text("a task's principal"),
    attributes: { note, topic: "billing" },
    expires,
  });
  const wanted = canaries.text("a grant's condition");
  const grant = { agent: "a-2", reason: `for ${wanted}`, requested_by: "ada", approved_by: "bob", expires };
  await put(service, "/grants", {
    id: "G-1",
    ...grant,
    entry: { write: "letter", when: { customer: wanted, "arguments.cents": { at_most: canaries.number("a grant's limit") } } },
  });

  const letter = (address = canaries.email("an attribute")): object => ({
    customer,
    address,
    lines: [{ text: canaries.text("a field in a list"), count: 1 }],
  });
  const from = {
    type: "account",
    id: `accounts/${canaries.text("a related id")}`,
    attributes: { iban: canaries.text("a related attribute") },
  };
  const said = (text = canaries.text("an argument")): object => ({
    to: canaries.email("an address"),
    text,
    tags: [canaries.text("an element of a list")],
    cents: canaries.number("a number"),
    copies: 1,
  });
  const context = { session: canaries.text("a session"), source: canaries.text("a source"), trace: canaries.text("a trace") };
  const act = (verb: string, more: object = {}): Record<string, unknown> => ({
    agent: "a-2",
    purpose: PURPOSE,
    task: "T-1",
    verb,
    context,
    arguments: said(),
    related: { from },
    resource: { type: "letter", id: "L-1", attributes: letter() },
    ...more,
  });
  const known = canaries.email("the address on file");
  const stranger = letter(canaries.email("a stranger"));
  const actions = [
    act("read"),
    act("write"),
    act("read", { resource: { type: "letter", id: "L-2", attributes: { ...stranger, customer: canaries.text("another customer") } } }),
    act("read", { resource: { type: "customer", id: canaries.text("an id") }, arguments: {}, related: {} }),
    act("write", { arguments: { ...said(), to: known }, resource: { type: "letter", id: "L-3", attributes: letter(known) } }),
    // Below the floor.
    act("sing"),
    act("read", { agent: "a-9" }),
    act("read", { task: "T-9" }),
    act("write", { purpose: "another" }),
    act("read", { resource: { type: "customer", id: canaries.text("an id") }, arguments: {}, related: {}, task: "T-9" }),
    act("read", { resource: { type: "custumer", id: canaries.text("an id of no type") }, arguments: {}, related: {} }),
    // Too large for a leaf.
    act("write", { arguments: { ...said(`${canaries.text("a large argument")} ${"x".repeat(40_000)}`) } }),
    act("sing", { arguments: { ...said(`${canaries.text("a large argument below the floor")} ${"é".repeat(20_000)}`) } }),
  ];
  const digests: string[] = [];
  const decide = async (action: object): Promise<Decision> => {
    const answer = (await (await decided(service, "/decide", action)).json()) as Decision;
    digests.push(answer.action_digest);
    return answer;
  };
  for (const action of actions) await decide(action);
  await decided(service, "/decide/batch", { actions: actions.slice(0, 4) });
  // What a person has approved is in the facts by its digests, and again in the record of what went on by it.
  const waiting = act("send");
  const { decision_id, finding, wait } = await decide(waiting);
  await put(
    service,
    `/findings/${String(finding)}/approvals`,
    { decision: decision_id, reason: "fine" },
    {
      "content-type": "application/json",
      authorization: `Bearer ${tokenFor("remit:review", "reviewer-1")}`,
    },
  );
  const { proceed, reasons } = await decide(waiting);
  if (!proceed) throw new Error(`what was approved doesn't go on: ${JSON.stringify(reasons)}`);
  canaries.hide(String(wait?.approval_digest), "the digest that an approval is bound to");
  const observed = JSON.stringify({ ...actions[1], at: new Date(system.clock.wall()).toISOString() });
  const watching = await asked(
    await post(service, "/observe", `${observed}\n`, {
      "content-type": "application/x-ndjson",
      authorization: `Bearer ${tokenFor("remit:observe")}`,
    }),
  );
  const cutOff = canaries.text("a principal that is revoked");
  const revoking = { "content-type": "application/json", authorization: `Bearer ${tokenFor("remit:revoke")}` };
  const revoked = await asked(
    await post(service, "/revocations", { scope: { principal: cutOff }, reason: `${cutOff} has left` }, revoking),
  );
  if (revoked.status >= 300) throw new Error(`POST /revocations: ${revoked.status} ${revoked.text}`);
  const lifted = await asked(await post(service, `/revocations/principal/${cutOff}/lift`, { reason: `${cutOff} is back` }, revoking));
  if (lifted.status !== 200) throw new Error(`lifting it: ${lifted.status} ${lifted.text}`);
  if (!watching.text.includes('"accepted":1')) throw new Error(`POST /observe: ${watching.status} ${watching.text}`);
  for (const digest of digests) canaries.hide(digest, "the digest of an action with something masked");
}

interface Decision {
  decision_id: string;
  action_digest: string;
  proceed: boolean;
  reasons: object[];
  finding?: string;
  wait?: { approval_digest?: string };
}

async function put(service: Running, path: string, body: object, headers?: Record<string, string>): Promise<void> {
  const { status, text } = await asked(await post(service, path, body, headers));
  if (status !== 201) throw new Error(`POST ${path}: ${status} ${text}`);
}

async function decided(service: Running, path: string, body: unknown): Promise<Response> {
  const response = await post(service, path, body);
  if (response.status !== 200) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
  return response;
}

async function asked(response: Response): Promise<{ status: number; text: string }> {
  return { status: response.status, text: await response.text() };
}

function get(service: Running, path: string): Promise<Response> {
  return fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${ALL}` } });
}

/** What a service has written, but for what the host needs as it is. */
function filesOf(folder: string): [name: string, text: string][] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile() && !NOT_RECORDS.test(relative(folder, file)))
    .map((file) => [relative(folder, file), readFileSync(file, "latin1")]);
}

threat("B2", "an enforcement point is named those persons alone whose tasks it speaks for", {
  async check(tree) {
    const { EventStreams } = await tree("http/event_streams.js");
    for (const masked of [false, true]) {
      const world = new FactsWorld();
      const commands = await world.open();
      for (const id of ["a-1", "a-2"]) await commands.createAgent({ id, owner: "o", purposes: ["support"] }, "host");
      await commands.createTask({ id: "T-1", agent: "a-1", purpose: "support", principal: "CANARY", expires: at(HOUR_MS) }, "host");
      const streams = new EventStreams({
        commands,
        system: { clock: systemClock, timers: systemTimers },
        policy: () => null,
        limits: { subscribers_max: 10, heartbeat_ms: 60_000, queue_events_max: 100, queue_bytes_max: 100_000 },
        masksPrincipals: () => masked,
        ended: () => undefined,
      });
      const written = new Map<string, string>();
      for (const agent of ["a-1", "a-2"]) {
        const write = (bytes: Buffer): boolean => written.set(agent, (written.get(agent) ?? "") + bytes.toString()).size > 0;
        const response = Object.assign(new EventEmitter(), { write, end: () => undefined, destroy: () => undefined });
        const sight = { agents: new Set([agent]), purposes: null };
        const caller = { id: agent, token: { jti: null, expires_ms: Infinity } };
        const more = { chain: null, after: null, values: null, heartbeat_ms: null, authenticate: () => Promise.resolve() };
        streams.open(response as unknown as ServerResponse, { sight, caller, ...more })();
      }
      await commands.revoke({ scope: { principal: "CANARY" }, reason: "r" }, "host");
      await turns(20);
      streams.close();
      commands.close();
      const [its, another] = [written.get("a-1") ?? "", written.get("a-2") ?? ""];
      for (const text of [its, another]) if (!text.includes('"narrows":true')) return "somebody whose work it can hit isn't told at all";
      if (another.includes("CANARY")) return "whoever speaks for no task of a person's is named that person";
      if (its.includes("CANARY") === masked) return masked ? "a masked person is named" : "nobody is named the person";
    }
    return null;
  },
  without: {
    "the tasks that a caller speaks for": [cut.returns("facts/reach.js", "isNamedTo", "true")],
    "a digest in the name's place": [cut.call("http/event_streams.js", "#told", "#withoutName", "data")],
    "masks of whom tasks are for": [cut.never("http/event_streams.js", "#told", "masksPrincipals")],
  },
});
