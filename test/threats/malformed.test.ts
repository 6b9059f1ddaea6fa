/** Records of engines in applications that no command could read: in the log they would be for good, and red each gate over it. */
import { readFileSync } from "node:fs";
import { readUnverified } from "../../src/bundle/verify.js";
import { without } from "../../src/system/without.js";
import { RunningBundle } from "../../src/replay/bundles.js";
import { judge } from "../../src/replay/impact.js";
import { readDecisions } from "../../src/replay/records.js";
import { asset } from "../../src/system/paths.js";
import { WHOLE } from "../replay/desk.js";
import { LogFolder, type Json } from "../replay/folder.js";
import { Receiver } from "./handed_in.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const AGENT = "a-1";
const SUBMITTED = { agent: AGENT, purpose: "customer_support", reasons: [] };
const MEMBERS = ["input", "request", "floor", "ancestors", "masked", "not_live"];
/** In place of a member; undefined leaves it out. */
const WRONG: readonly unknown[] = [undefined, null, 7, "x", true, [], {}, [7], { x: { y: 7 } }];

/** As an engine refuses by the floor. */
function refused({ input, act: _, answer, ...record }: Json): Json {
  const { request, facts } = input as { request: Json; facts: { time: { ms: number } } };
  const reason = { effect: "deny", code: "agent_unknown", severity: "high", message: "m", params: {} };
  return {
    ...record,
    answer: { ...(answer as Json), decision: "deny", proceed: false, reasons: [reason] },
    request,
    floor: {
      ...{
        actor_stopped: false,
        agent: null,
        agent_id: AGENT,
        agent_proof: null,
        caller_permitted: true,
        claim_ms: null,
        facts_stale: false,
      },
      ...{ narrowed: null, now_ms: facts.time.ms, purpose_id: "customer_support", revoked: null, task: null, task_id: null },
      ...{ task_proof: null, time_skew_max_ms: 0, token_required: false, verb_id: "read" },
    },
  };
}

/** Places of all members below, as far as four steps down. */
function placesIn(value: unknown, at: string[] = []): string[][] {
  const here = at.length === 0 ? [] : [at];
  if (typeof value !== "object" || value === null || at.length === 4) return here;
  return [...here, ...Object.entries(value).flatMap(([name, below]) => placesIn(below, [...at, name]))];
}

function changed(record: Json, [name = "", ...below]: readonly string[], value: unknown): Json {
  const given = below.length === 0 ? value : changed(record[name] as Json, below, value);
  return Object.fromEntries([
    ...Object.entries(record).filter(([one]) => one !== name),
    ...(given === undefined ? [] : [[name, given]]),
  ]) as Json;
}

threat("D7", "whatever engines hand in, each record that is taken can be read and decided again", {
  async check(tree) {
    const bundle = new RunningBundle(await readUnverified(readFileSync(asset("bundles", "customer_support.tar.gz"))));
    const receiver = await Receiver.open(tree, new Set([AGENT]));
    const changes = new Map<number, string>();
    let tried = 0;
    for (const made of [(record: Json) => record, refused]) {
      let places: string[][] = [[]];
      for (let i = 0; i < places.length; i++)
        for (const value of i === 0 ? [undefined] : WRONG) {
          const before = receiver.recorded.length;
          const take = receiver.take([SUBMITTED], `engine-${++tried}`, (record) => {
            const whole = made(record);
            if (i > 0) return changed(whole, places[i] ?? [], value);
            places = [[], ...MEMBERS.flatMap((name) => [[name], ...placesIn(whole[name]).map((below) => [name, ...below])])];
            return whole;
          });
          try {
            await take;
          } catch (cause) {
            return `/${(places[i] ?? []).join("/")}: ${JSON.stringify(value)}: ${String(cause)}`;
          }
          const isTaken = receiver.recorded.length > before;
          if (i === 0 && !isTaken) throw new Error("not even a good record is taken");
          if (isTaken) changes.set(receiver.recorded.length, `/${(places[i] ?? []).join("/")}: ${JSON.stringify(value)}`);
        }
    }
    if (tried < 500 || changes.size < 50) throw new Error(`${tried} tried, ${changes.size} taken`);
    const log = new LogFolder();
    for (const record of receiver.recorded) {
      const { v, ...rest } = without(record, "seq");
      await log.append(JSON.stringify(rest).slice(1, -1), `"v":${v}`);
    }
    for (const read of readDecisions(log.path, WHOLE)) {
      const what = changes.get(read.seq) ?? "";
      if (read.what !== "decision") return `${what}: ${read.what === "unreadable" ? read.why : read.what}`;
      try {
        judge(read, bundle);
      } catch (cause) {
        return `${what}: ${String(cause)}`;
      }
    }
    return null;
  },
  without: {
    "shapes being looked at": [cut.never("service/handed_in_records.js", "HandedInRecords.#read", "misshapen")],
  },
});
