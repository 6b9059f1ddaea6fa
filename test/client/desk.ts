/** A service on loopback whose policy has a resource type for each thing that an answer may ask of whoever enforces it. */
import { readFileSync } from "node:fs";
import type { Action, ClientOptions, Outside } from "../../src/client/index.js";
import { outside } from "../../src/client/outside.js";
import { RemitClient } from "../../src/client/index.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { BEHAVIOR_DEFAULTS, type Catalogue, type Entry, type Obligation, type PolicyData, type Reason } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { archive, content, json, policyData, purpose, signed } from "../bundle/support.js";
import { AGENT, ask, inAnHour, runWithFacts, withAgent } from "../http/asking.js";
import { tokenFor, type Running } from "../http/running.js";

/** Type → what an allow of it asks for. */
const OBLIGATIONS: Record<string, Obligation[]> = {
  note: [],
  card: [{ type: "redact", fields: ["card_number", "iban"] }],
  transfer: [{ type: "modify", argument: "amount", value: 10 }],
  letter: [{ type: "confirm", with: "customer" }],
  refund: [{ type: "notify", channel: "billing" }],
};

function entry(effect: "allow" | "flag" | "deny", code: string, obligations: Obligation[] = [], proceed?: boolean): Entry {
  const reason = { effect, code, severity: "medium" as const, params: {}, ...(proceed !== undefined && { proceed }) };
  return { about: "any", when: [], reason, obligations };
}

const both = (one: Entry): Record<string, Entry[]> => ({ read: [one], send: [one] });

const DATA: PolicyData = ((): PolicyData => {
  const data = policyData();
  const note = {
    about: {},
    arguments: { amount: { kind: "integer" }, text: { kind: "string", max: 60_000 } },
    attributes: { customer: { kind: "id" } },
    id: "name",
    related: {},
  } as const;
  const types = [...Object.keys(OBLIGATIONS), "invoice", "ticket", "vault", "unmapped"];
  return {
    ...data,
    vocabulary: {
      ...data.vocabulary,
      types: Object.fromEntries(types.map((type) => [type, note])),
      verbs: { read: { class: "read", collection: false }, send: { class: "send", collection: false } },
    },
    purposes: {
      testing: {
        ...purpose(),
        // Whatever tests do a thousand times, nothing follows from it.
        behavior: {
          ...BEHAVIOR_DEFAULTS,
          log: null,
          flag: null,
          hold: null,
          narrow: null,
          suspend: null,
          channels: {},
        },
        allow: Object.fromEntries(Object.entries(OBLIGATIONS).map(([type, of]) => [type, both(entry("allow", "permitted", of))])),
        flag: { invoice: both(entry("flag", "to_be_approved", [], false)), ticket: both(entry("flag", "noticed", [], true)) },
        never: { vault: both(entry("deny", "closed_for_good")) },
      },
    },
  };
})();

const TELL = {
  permitted: "",
  to_be_approved: "A person has been asked.",
  noticed: "A person will see this.",
  closed_for_good: "Nobody may do this.",
};

function catalogue(): Catalogue {
  const effects = { permitted: "allow", to_be_approved: "flag", noticed: "flag", closed_for_good: "deny" } as const;
  return Object.fromEntries(
    Object.entries(effects).map(([code, effect]) => [
      code,
      {
        effect,
        severity: "medium",
        title: code,
        message: `${code}: {customer}`,
        tell_agent: TELL[code as keyof typeof TELL],
        purposes: ["testing"],
        sources: ["purposes.yaml:1"],
      },
    ]),
  );
}

/** As of `DATA`, or with changes. */
export async function deskBundle(sequence = 12, answerLastsMs = 5000): Promise<Buffer> {
  const { wasm } = await readUnverified(readFileSync(asset("bundles", "retail.tar.gz")));
  const { testing } = DATA.purposes;
  if (testing === undefined) throw new Error("no purpose");
  const data = { ...DATA, purposes: { testing: { ...testing, answer_lasts_ms: answerLastsMs } } };
  const files = content({ sequence, expires: null }, data).set("policy.wasm", wasm).set("catalogue.json", json(catalogue()));
  return archive(signed(files));
}

/** Longer than any answer takes that comes, however busy the machine is. */
export const DEADLINE_MS = 30_000;
/** A deadline within which nothing comes of what never does. */
export const SOON_MS = 300;
export const GATEWAY = tokenFor("remit:decide remit:register", "gateway-1");

export interface Desk {
  service: Running;
  /** Ends with the desk. */
  client: (options?: Partial<ClientOptions>, outside?: Outside) => RemitClient;
  close: () => Promise<void>;
}

/** With agent `a-1` and its task `T-1`. */
export async function openDesk({
  sections = {},
  answerLastsMs = 60_000,
}: { sections?: object; answerLastsMs?: number } = {}): Promise<Desk> {
  const service = await runWithFacts({ events: { heartbeat_ms: 1000 }, ...sections }, await deskBundle(12, answerLastsMs));
  await withAgent(service);
  await giveTask(service, "T-1");
  const clients: RemitClient[] = [];
  return {
    service,
    client: (options = {}, outside) => {
      const client = new RemitClient({ url: service.url, token: GATEWAY, deadline_ms: DEADLINE_MS, ...options }, outside);
      clients.push(client);
      return client;
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await service.stop();
    },
  };
}

/** While `is.hurried`, nothing is waited for longer than `SOON_MS`. */
export function hurrying(is: { hurried: boolean }, { after, ...others }: Outside = outside): Outside {
  return { ...others, after: (ms, call) => after(is.hurried ? Math.min(ms, SOON_MS) : ms, call) };
}

export async function giveTask(service: Running, id: string): Promise<void> {
  const body = { id, agent: AGENT.id, purpose: "testing", subjects: {}, expires: inAnHour() };
  const { outcome } = await ask(service, "POST", "/tasks", { body });
  if (!outcome.startsWith("20")) throw new Error(`no task: ${outcome}`);
}

export function action(type: string, changes: Partial<Action> = {}): Action {
  return { agent: "a-1", purpose: "testing", task: "T-1", verb: "read", resource: { type, id: "n-1" }, ...changes };
}

/** The code that a call ends in; `ran` where it ends well. */
export async function endOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ran";
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
}

export function codes(reasons: readonly Reason[]): string {
  return reasons.map(({ code }) => code).join();
}

export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const began = performance.now(); !(await holds());) {
    if (performance.now() - began > 120_000) throw new Error(`${what} has not come`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
