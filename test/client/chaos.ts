/**
 * Agents that act under guard while everything between guard and service fails at random, from a seed. What ran is held against what the
 * service really answered, as the proxy between them saw it.
 */
import type { Permitted, RemitClient } from "../../src/client/index.js";
import type { Answer } from "../../src/contract/index.js";
import { numbers } from "../threats/threat.js";
import { action, endOf, openDesk, type Desk } from "./desk.js";
import { FaultyProxy, type Fault } from "./faulty_proxy.js";

export interface Chaos {
  seed: number;
  /** Faults to be done. */
  faults: number;
  /** How many agents act at once. */
  agents: number;
  /** Of services: each is followed by another one, with a store of its own. */
  restarts: number;
}

export interface ChaosFound {
  faults: number;
  /** Calls, by what they ended in. */
  ends: Record<string, number>;
  /** Runs that the service had not permitted, each in words. */
  wrong: string[];
  /** Calls that had not ended long after their deadline. */
  hung: number;
}

const DEADLINE_MS = 250;
/** A call is asked again where its answer expired or was dropped; it ends after its deadline, whatever happens. */
const HUNG_MS = 20 * DEADLINE_MS;

const JSON_TYPE = { "content-type": "application/json" };
const alter = (change: (answer: Answer, earlier: readonly Answer[]) => object): Fault => ({
  alter: (answer, earlier) => ({ ...answer, ...change(answer, earlier) }),
});

/** Each drawn as often as the others. A digit is drawn anew each time. */
const FAULTS: ((below: (bound: number) => number) => Fault)[] = [
  () => "cut before",
  () => "cut after",
  () => "hang",
  () => "garbage",
  () => "half",
  () => "half, then nothing",
  () => "endless",
  (below) => ({ delay_ms: below(2 * DEADLINE_MS) }),
  () => ({ status: 502, headers: { "content-type": "text/html" }, body: "<h1>Bad gateway</h1>" }),
  () => ({ status: 307, headers: { location: "/decide" } }),
  () => ({ status: 200, headers: JSON_TYPE, body: '{"proceed":true}' }),
  () => ({ status: 200, headers: { "content-type": "text/plain" } }),
  (below) => ({ status: 200, headers: JSON_TYPE, body: Buffer.from(Array.from({ length: below(200) }, () => below(256))) }),
  (below) => ({ alter: (_, earlier) => earlier[below(earlier.length)] }),
  (below) => alter((_, earlier) => ({ request_id: earlier[below(earlier.length)]?.request_id })),
  (below) => alter((_, earlier) => ({ action_digest: earlier[below(earlier.length)]?.action_digest.replace("a", "b") ?? "" })),
  () =>
    alter(({ request_id }, earlier) => ({
      decision_id: earlier.findLast((one) => clientOf(one) === clientOf({ request_id }))?.decision_id,
    })),
  () => alter(() => ({ proceed: "true" })),
  () => alter(() => ({ valid_for_ms: 0 })),
  () => alter(() => ({ obligations: [{ type: "watermark" }] })),
];

function clientOf({ request_id = "" }: { request_id?: string | undefined }): string {
  return request_id.slice(0, request_id.lastIndexOf("-"));
}

/** What is asked for, and whether it may run. */
const ACTIONS: readonly [type: string, permitted: boolean][] = [
  ["note", true],
  ["note", true],
  ["vault", false],
  ["invoice", false],
  ["unmapped", false],
];

interface Ran {
  type: string;
  given: Permitted;
  at_ms: number;
}

export async function chaos({ seed, faults, agents, restarts }: Chaos): Promise<ChaosFound> {
  const below = numbers(seed);
  let desk = await openDesk();
  const proxy = await FaultyProxy.open(desk.service.url);
  const clients = Array.from({ length: 3 }, () =>
    desk.client({ url: proxy.url, deadline_ms: DEADLINE_MS, requests_max: 2, breaker_failures_max: 20, breaker_open_ms: 20 }),
  );
  const found: ChaosFound = { faults: 0, ends: {}, wrong: [], hung: 0 };
  const ran: Ran[] = [];
  proxy.fault = () => {
    // Every other one is let through, so that there is something to exchange answers with.
    if (below(2) === 0) return "none";
    found.faults++;
    if (below(40) === 0) proxy.cutStreams();
    return FAULTS[below(FAULTS.length)]?.(below) ?? "hang";
  };
  const over = (): boolean => found.faults >= faults;
  const act = async (client: RemitClient): Promise<void> => {
    while (!over()) {
      const [type = ""] = ACTIONS[below(ACTIONS.length)] ?? [];
      const asked = action(type, { resource: { type, id: `n-${below(10)}` }, arguments: { amount: below(10) } });
      const call = client.guard(asked, (given) => ran.push({ type, given, at_ms: performance.now() }));
      const end = await Promise.race([endOf(call), hung()]);
      found.ends[end] = (found.ends[end] ?? 0) + 1;
      if (end === "hung") found.hung++;
      if (end === "breaker_open") await pause(10);
    }
  };
  const former: Desk[] = [];
  const restart = async (): Promise<void> => {
    for (let done = 1; done <= restarts; done++) {
      while (found.faults < (done * faults) / (restarts + 1)) await pause(10);
      const next = await openDesk();
      await desk.service.stop();
      former.push(desk);
      desk = next;
      proxy.target = desk.service.url;
    }
  };
  try {
    await Promise.all([restart(), ...Array.from({ length: agents }, (_, i) => act(clients[i % clients.length] as RemitClient))]);
    for (const one of ran) {
      const why = wrongOf(one, proxy);
      if (why !== null) found.wrong.push(`${one.type}: ${why}`);
    }
  } finally {
    await Promise.all([proxy.close(), ...former.map((one) => one.close())]);
    await desk.close();
  }
  return found;
}

/** Why what ran should not have; null: the service had permitted it, in time. */
function wrongOf({ type, given, at_ms }: Ran, { genuine }: FaultyProxy): string | null {
  const { answer, action: done } = given;
  if (ACTIONS.find(([name]) => name === type)?.[1] !== true) return "nothing permits this";
  // Whose id an answer has been given on the way can't be told, where it is none that came before.
  const said = genuine.get(answer.request_id ?? "")?.at(-1);
  if (said === undefined) return "the service was never asked";
  if (!said.answer.proceed) return "the service said no";
  if (said.answer.action_digest !== answer.action_digest) return "another action was permitted";
  if (done.resource.type !== type) return "another action ran";
  return at_ms - said.asked_ms > said.answer.valid_for_ms ? "too late" : null;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

async function hung(): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, HUNG_MS).unref());
  return "hung";
}
