/** One caller that uses up what all share, so that others lose what they had. */
import { INCIDENTS_MAX, QUIET_MS } from "../../src/findings/incidents.js";
import { StillTimers } from "../facts/world.js";
import { NOW, flag, seen, sighted } from "../findings/sightings.js";
import { cut } from "./cut.js";
import { Receiver, type Submitted } from "./handed_in.js";
import { threat } from "./threat.js";

const HOUR_MS = 3_600_000;
const FLOOD = 2_000;
const AT_ONCE = 500;

async function takeAll(receiver: Receiver, all: readonly Submitted[]): Promise<void> {
  for (let from = 0; from < all.length; from += AT_ONCE) await receiver.take(all.slice(from, from + AT_ONCE));
}

/** Flags of one agent, whatever its engine says of their reasons and times. */
const FLOODS: Record<string, (i: number) => Submitted> = {
  "of one reason": () => ({ agent: "a-2" }),
  "each of another reason": (i) => ({ agent: "a-2", reasons: [flag(`reason_${i}`)] }),
  "each an hour after the one before": (i) => ({ agent: "a-2", time_ms: NOW - (FLOOD - i) * HOUR_MS }),
  "of agents that nobody has registered": (i) => ({ agent: `invented-${i}` }),
};

threat("A15", "what engines hand in is grouped as what the service decides, whatever they say of it", {
  async check(tree) {
    for (const [what, of] of Object.entries(FLOODS)) {
      const receiver = await Receiver.open(tree, new Set(["a-1", "a-2"]));
      await takeAll(
        receiver,
        Array.from({ length: FLOOD }, (_, i) => of(i)),
      );
      const { size } = receiver.findings;
      if (receiver.recorded.length !== FLOOD) throw new Error(`${what}: ${receiver.recorded.length} are on record`);
      if (size === 0) return `${what}: no finding at all`;
      if (size > INCIDENTS_MAX + 2) return `${what}: ${size} findings`;
    }
    return null;
  },
  without: {
    "its place among the agent's incidents": [
      cut.call("wiring/handed_in.js", "HandedInRecords.#marked", "incidents.place", "answer.finding ?? null"),
    ],
    "the service's own clock": [cut.call("wiring/handed_in.js", "HandedInRecords.#marked", "clock.wall", "asked.now_ms")],
    "agents being looked up": [cut.value("wiring/handed_in.js", "HandedInRecords.#marked", "isAttributed", "true")],
    "names of findings being the service's to give": [cut.returns("wiring/handed_in.js", "HandedInRecords.#opener", "decisionId")],
  },
});

threat("A15", "whoever has most findings loses them first, however many come, and closed ones before open ones", {
  async check(tree) {
    const [{ Findings }, { Incidents }] = await Promise.all([tree("findings/findings.js"), tree("findings/incidents.js")]);
    const closed = new Set<string>();
    const states = { revision: 0, finding: (id: string) => (closed.has(id) ? ({ state: "expected", revision: 1 } as never) : undefined) };
    const findings = new Findings(states, { kept_max: 100, wait_ms: 0 }, new StillTimers());
    const incidents = new Incidents();
    let seq = 0;
    const open = (agent: string): string => {
      const one = sighted({ agent, time_ms: NOW + ++seq * QUIET_MS, reasons: [flag("noticed")] });
      const id = incidents.place(one) ?? "";
      findings.take(seen(one, id, seq));
      return id;
    };
    const [judged, waits] = [open("a-1"), open("a-1")];
    closed.add(judged);
    for (let i = 0; i < 300; i++) closed.add(open("a-2"));
    if (findings.at(judged) === null) return "a closed finding is lost to another agent's";
    for (let i = 0; i < 300; i++) open("a-2");
    if (findings.at(waits) === null) return "an open finding is lost to another agent's";
    if (findings.size !== 100) throw new Error(`${findings.size} are kept`);
    return findings.at(judged) === null ? null : "an open finding is lost before a closed one";
  },
  without: {
    "who has most being looked for": [cut.text("findings/findings.js", "oldestOfMost", "b.length > a.length", "false")],
    "closed ones first": [cut.never("findings/findings.js", "Findings.#forgetOne", "closed", "length")],
  },
});

threat("A5", "engines teach only of agents and purposes that the service knows", {
  async check(tree) {
    const receiver = await Receiver.open(tree, new Set(["a-1", "a-2"]));
    await takeAll(
      receiver,
      Array.from({ length: 1000 }, (_, i) => ({ agent: `invented-${i}`, reasons: [] })),
    );
    await takeAll(
      receiver,
      Array.from({ length: 300 }, (_, i) => ({ agent: "a-2", purpose: `invented-${i}`, reasons: [] })),
    );
    await receiver.take([{ agent: "a-1", reasons: [] }]);
    if (!receiver.learned.includes("a-1 for support")) throw new Error("nothing is learned of an agent that is known");
    if (receiver.learned.length > 1) return `it learns of ${receiver.learned[0]}, and ${receiver.learned.length - 1} others`;
    return receiver.recorded.slice(0, -1).some(({ act }) => act !== undefined) ? "a start learns of what the service didn't" : null;
  },
  without: {
    "agents being looked up": [cut.never("wiring/handed_in.js", "HandedInRecords.#read", "known", "agent")],
    "purposes being looked up": [cut.never("wiring/handed_in.js", "HandedInRecords.#read", "known", "purpose")],
  },
});
