/**
 * A desk and a faulty proxy before it, for clients in other languages: `node dist/test/client/desk_process.js`. Its first line says where they are; then
 * it takes one command a line, as JSON, and answers each by one. It ends with its input.
 */
import { createInterface } from "node:readline";
import { tokenFor } from "../http/running.js";
import { EVERY, ask } from "../http/asking.js";
import { faultOf, type FaultSpec } from "./answer_cases.js";
import { GATEWAY, action, openDesk } from "./desk.js";
import { FaultyProxy } from "./faulty_proxy.js";

interface Command {
  /** What becomes of each request from now on. */
  fault?: FaultSpec;
  /** Each of these in turn, drawn by a seed; every other one is let through. */
  chaos?: { seed: number; faults: FaultSpec[] };
  /** What the service itself answered to a request. */
  genuine?: string;
  /** A change of facts, asked of the service itself. */
  change?: { method: string; path: string; body: object; scope?: string };
  events?: boolean;
}

const desk = await openDesk();
const proxy = await FaultyProxy.open(desk.service.url);
let done = 0;

async function take({ fault, chaos, genuine, change, events }: Command): Promise<object> {
  if (fault !== undefined) proxy.fault = () => faultOf(fault);
  if (chaos !== undefined) proxy.fault = drawn(chaos.seed, chaos.faults);
  if (events !== undefined) proxy.events = events;
  if (events === false) proxy.cutStreams();
  if (genuine !== undefined) return { genuine: (proxy.genuine.get(genuine) ?? []).map(({ answer }) => answer) };
  if (change === undefined) return { faults: done, asked: proxy.asked.length };
  const token = change.scope === undefined ? EVERY : tokenFor(change.scope, "reviewer-1");
  const { outcome, body } = await ask(desk.service, change.method, change.path, { body: change.body, token });
  return { outcome, body };
}

function drawn(seed: number, faults: readonly FaultSpec[]): FaultyProxy["fault"] {
  let state = seed;
  const below = (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  return () => {
    if (below(2) === 0) return "none";
    done++;
    if (below(40) === 0) proxy.cutStreams();
    return faultOf(faults[below(faults.length)] ?? "hang");
  };
}

const say = (value: object): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};
say({ url: proxy.url, direct: desk.service.url, token: GATEWAY, action: action("note") });
for await (const line of createInterface({ input: process.stdin })) say(await take(JSON.parse(line) as Command));
await desk.close();
await proxy.close();
