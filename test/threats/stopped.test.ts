/** An agent that is stopped, or tries again and again what it must not: somebody is told. */
import { BEHAVIOR_DEFAULTS, NOTHING_ODD, type NoticeRecord } from "../../src/contract/index.js";
import type { Commands } from "../../src/facts/commands.js";
import { act } from "../behavior/desk.js";
import { StillTimers } from "../facts/world.js";
import { MINUTE_MS, NOW, decisionId, deny, sighted } from "../findings/sightings.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const TRIES = 36;

threat("A19", "an agent that is denied what is grave again and again is one finding, however it spreads that", {
  async check(tree) {
    const { Incidents } = await tree("findings/incidents.js");
    for (const severity of ["high", "critical"] as const)
      for (const purposes of [1, 3]) {
        const incidents = new Incidents();
        const found = Array.from({ length: TRIES }, (_, i) => {
          const put = { purpose: `p-${i % purposes}`, id: `I-${i}`, time_ms: NOW + i * MINUTE_MS };
          const noise = Array.from({ length: 90 }, (__, k) => sighted({ ...put, id: `N-${k}`, time_ms: put.time_ms + k }));
          for (const one of noise) incidents.place(one);
          return incidents.place(sighted({ ...put, reasons: [deny("exported_secrets", severity)] }));
        });
        const ids = new Set(found.slice(5));
        if (ids.has(null)) return `${severity} denials for ${purposes} purposes open no finding`;
        if (ids.size > 1) throw new Error(`${ids.size} findings`);
        if (found.slice(0, severity === "critical" ? 2 : 5).some((id) => id !== null)) throw new Error("few denials open one");
      }
    // What a stranger asks for in its name, and what would be denied now whatever it asked for, is not its own doing.
    const incidents = new Incidents();
    for (const [i, code] of ["caller_not_permitted", "facts_stale", "agent_suspended", "agent_token_mismatch"].entries())
      for (let k = 0; k < 7; k++) {
        const found = incidents.place(sighted({ time_ms: NOW + i * 100 + k, reasons: [deny(code, "critical")] }));
        if (found !== null) return `${code} is held against the agent`;
      }
    return null;
  },
  without: {
    "denials being counted": [cut.returns("findings/denials.js", "Denials.take", "false")],
    "what isn't its own doing being left out": [cut.condition("findings/denials.js", "weightOf", ["caller_not_permitted"], "true")],
    "what is of the moment being left out": [cut.condition("findings/denials.js", "weightOf", ["isOfTheMoment"], "true")],
  },
});

threat("A19", "what the service stops an agent for is on record with a finding, as soon as the log takes it", {
  async check(tree) {
    const [{ wireAdjustments }, { Notices }, { OwnNotices }, { Incidents }] = await Promise.all([
      tree("service/adjustments.js"),
      tree("findings/notices.js"),
      tree("findings/own_notices.js"),
      tree("findings/incidents.js"),
    ]);
    for (const risk of [75, 95]) {
      const records: NoticeRecord[] = [];
      const timers = new StillTimers();
      const clock = { wall: () => NOW + timers.now };
      let takes = false;
      const log = {
        seq: 0,
        append: (before: string, after: string): Promise<void> => {
          if (!takes) return Promise.reject(new Error("no space"));
          records.push(JSON.parse(`{${before},${after}}`) as NoticeRecord);
          return Promise.resolve();
        },
      };
      let ids = 0;
      const notices = new Notices({ log, incidents: new Incidents(), clock, newId: () => decisionId(NOW, ++ids) });
      const stops = new OwnNotices(notices, timers, "remit");
      const commands = {
        registry: { agent: () => ({ status: "active" }), narrowings: { get: () => undefined, all: () => [] } },
        ledger: { listen: () => () => undefined },
        narrowAgent: () => Promise.resolve(),
        changeAgent: () => Promise.resolve(),
      } as unknown as Commands;
      const adjustments = wireAdjustments({
        commands,
        note: (...said) => {
          stops.stopped(...said);
        },
        riskOf: () => risk,
        policyOf: () => BEHAVIOR_DEFAULTS,
        system: { clock, timers: { every: () => () => undefined } },
        logger: { warn: () => undefined, error: () => undefined } as never,
      });
      adjustments.settled(act(), { ...NOTHING_ODD, risk }, { decision: "deny" } as never);
      await new Promise(setImmediate);
      takes = true;
      await timers.advance(5000);
      await new Promise(setImmediate);
      const told = records.map(({ code }) => code);
      const wanted =
        risk >= (BEHAVIOR_DEFAULTS.suspend ?? 0) ? ["narrowed_by_behavior", "suspended_by_behavior"] : ["narrowed_by_behavior"];
      const missing = wanted.filter((code) => !told.includes(code as never));
      if (missing.length > 0) return `nobody is told of ${missing.join(" and ")}`;
      if (told.length > wanted.length) throw new Error(`${told.length} are told`);
      const findings = new Set(records.map(({ finding }) => finding));
      if (findings.has(undefined)) return "it is no finding";
      if (findings.size > 1) return "a suspension is another finding than the narrowing before it";
      adjustments.close();
    }
    return null;
  },
  without: {
    "a notice of the narrowing": [cut.call("service/adjustments.js", "narrow", ["note", "narrowed_by_behavior"])],
    "a notice of the suspension": [cut.call("service/adjustments.js", "suspend", ["note", "suspended_by_behavior"])],
    "being tried again": [cut.call("findings/own_notices.js", "OwnNotices.#try", "after")],
    "a finding for it": [cut.condition("findings/notices.js", "Notices.note", ["opens"], "false")],
    "both being of the agent's behaviour": [
      cut.text("findings/about.js", "isBehavior", "BEHAVIOR.has(code)", 'code.startsWith("unusual")'),
    ],
  },
});
