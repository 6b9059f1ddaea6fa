/** An agent that looks for the way that isn't closed, and one that hides what it does in noise. */
import { BEHAVIOR_DEFAULTS } from "../../src/contract/index.js";
import type { Incidents } from "../../src/findings/incidents.js";
import { MINUTE_MS, NOW, deny, flag, sighted, type Put } from "../findings/sightings.js";
import { numbers, threat } from "./threat.js";

const SHOPPER: readonly Put[] = [
  { purpose: "support", verb: "read", id: "I-9" },
  { purpose: "billing", verb: "read", id: "I-9" },
  { purpose: "support", verb: "export", id: "I-9" },
  { purpose: "audit", verb: "read", id: "i-9" },
  { purpose: "billing", verb: "read", id: "l-9" },
];
const BENIGN = 10_000;

/** Of which of these, in order, a finding is opened, or goes on. */
function found(incidents: Incidents, puts: readonly Put[]): (string | null)[] {
  return puts.map((put, i) => incidents.place(sighted({ time_ms: NOW + i * 5000, ...put })));
}

/** Work of forty agents: mostly permitted, now and then a deny, and the same tried once more. */
function benign(): Put[] {
  const draw = numbers(7);
  return Array.from({ length: BENIGN }, (_, i): Put => {
    const agent = `support-${draw(40)}`;
    const id = `I-${draw(3000)}`;
    const denied = draw(50) === 0 ? { reasons: [deny("not_permitted")] } : {};
    return { agent, id, time_ms: NOW + i * 700, ...denied };
  });
}

threat("A2", "whoever tries one action under each purpose, verb and spelling until one passes is found by the fifth", {
  async check(tree) {
    const { Incidents } = await tree("findings/incidents.js");
    const reasons = [deny("not_permitted")];
    const denied = SHOPPER.map((put) => ({ ...put, reasons }));
    if (found(new Incidents(), denied).every((id) => id === null)) return "five ways that are all denied";
    for (let passes = 1; passes < SHOPPER.length; passes++) {
      if (SHOPPER[passes]?.verb !== "read") continue;
      const until = [...denied.slice(0, passes), { ...SHOPPER[passes] }];
      if (found(new Incidents(), until)[passes] === null) return `the way that passes after ${passes} that were denied`;
    }
    const findings = new Set(found(new Incidents(), benign()).filter((id) => id !== null));
    if (findings.size > BENIGN / 10_000) throw new Error(`${findings.size} findings in ${BENIGN} benign decisions`);
    return null;
  },
  without: {
    "what passes being held against what was denied": [
      { file: "findings/attempts.js", from: "!isDenied && same.some(", to: "false && same.some(" },
    ],
    "ways being counted": [{ file: "findings/attempts.js", from: ">= VARIANTS_MAX", to: ">= Infinity" }],
    "spellings that look alike being one": [
      { file: "findings/attempts.js", from: '.replaceAll(ONE_STROKE, "l")', to: "" },
    ],
  },
});

const FLAGS = 10_000;
const FINDINGS_MAX = 20;

threat("A15", "ten thousand flags in a minute are at most twenty findings, and leave the agent narrowed", {
  async check(tree) {
    const { Incidents } = await tree("findings/incidents.js");
    const { adjustAfter, UNWATCHED } = await tree("behavior/adjust.js");
    const incidents = new Incidents();
    const findings = new Set<string | null>();
    let watch = UNWATCHED;
    let narrowed = false;
    for (let i = 0; i < FLAGS; i++) {
      const time_ms = NOW + Math.floor((i * MINUTE_MS) / FLAGS);
      const one = sighted({ time_ms, purpose: `purpose_${i % 40}`, id: `I-${i}`, reasons: [flag(`code_${i % 997}`)] });
      findings.add(incidents.place(one));
      if (findings.size > FINDINGS_MAX) return `more than ${FINDINGS_MAX} findings`;
      const seen = { risk: 0, reasons: [], flagged: true, time_ms };
      const adjusted = adjustAfter(watch, seen, BEHAVIOR_DEFAULTS, { active: true, narrowing: null });
      watch = adjusted.watch;
      narrowed ||= adjusted.proposals.some(({ kind }) => kind === "narrow");
    }
    return narrowed ? null : "the agent goes on as it was";
  },
  without: {
    "the bound on incidents": [{ file: "findings/incidents.js", from: "others.length < INCIDENTS_MAX", to: "true" }],
    "floods narrowing": [{ file: "behavior/adjust.js", from: "flags_ms.length === FLOOD.flags", to: "false" }],
  },
});
