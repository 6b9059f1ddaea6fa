/** Logs to review: made by the helpdesk's own decider, and by hand where no service would write such a thing. */
import type { BundleContent } from "../../src/bundle/verify.js";
import { RECORD_VERSION } from "../../src/contract/index.js";
import { review, type ReviewOptions } from "../../src/review/review.js";
import type { Review } from "../../src/review/report.js";
import { AGENT, Desk, TASK, bundleOf, runningOf, type Asked } from "../replay/desk.js";
import { LogFolder } from "../replay/folder.js";

export const FROM = Date.parse("2027-03-01T00:00:00Z");
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const TO = FROM + 7 * DAY_MS;

/** A record of anything but a decision. */
export function note(log: LogFolder, time_ms: number, members: Record<string, unknown>): void {
  const entries = Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1));
  const side = (before: boolean): string =>
    entries
      .filter(([name]) => name < "seq" === before)
      .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
      .join(",");
  const after = [side(false), `"time":"${new Date(time_ms).toISOString()}"`, `"v":${RECORD_VERSION}`];
  void log.append(side(true), after.filter((part) => part !== "").join(","));
}

export function fact(log: LogFolder, time_ms: number, change: string, kind: string, value: object, more: object = {}): void {
  note(log, time_ms, { kind: "facts", caller: "desk@example.com", change, facts_revision: 1, reason: null, [kind]: value, ...more });
}

export const agentFact = (id: string, more: object = {}): object => ({
  ...{ id, name: null, owner: "it-platform@example.com", version: "1", purposes: ["it_helpdesk"], status: "active" },
  registered: new Date(FROM).toISOString(),
  ...more,
});

export const READ: Asked = { verb: "read", type: "incident", id: "INC-81", attributes: { reporter: "ada" } };
export const OTHER: Asked = { verb: "read", type: "account", id: "acc-bob", attributes: { owner: "bob" } };
export const MAIL: Asked = { verb: "read", type: "mailbox", id: "m-1", attributes: { owner: "ada" } };

export interface Week {
  log: LogFolder;
  content: BundleContent;
  desk: Desk;
}

/** Some days of little work, by one agent that is registered. */
export async function week(more: (made: Week) => Promise<void> | void = () => undefined): Promise<Week> {
  const { content } = await bundleOf();
  const log = new LogFolder();
  const desk = new Desk(runningOf(content), log);
  note(log, FROM - DAY_MS, {
    kind: "service",
    change: "started",
    durability: "synced",
    keys: [],
    origin: "log.example/desk",
    version: "0.1.0",
  });
  fact(log, FROM - DAY_MS, "agent_created", "agent", agentFact(AGENT.id));
  fact(log, FROM - DAY_MS, "task_created", "task", { id: TASK.id });
  desk.now = FROM - HOUR_MS;
  await desk.ask(READ);
  for (let day = 0; day < 5; day++) {
    desk.now = FROM + day * DAY_MS + 10 * HOUR_MS;
    for (const asked of [READ, READ, OTHER, MAIL]) await desk.ask(asked);
  }
  await more({ log, content, desk });
  desk.now = TO - HOUR_MS;
  await desk.ask({ verb: "search", type: "account" });
  desk.now = TO;
  await desk.ask(READ);
  return { log, content, desk };
}

export function reviewOf({ log, content }: Pick<Week, "log" | "content">, more: Partial<ReviewOptions> = {}): Review {
  return review({
    ...{ folder: log.path, from_ms: FROM, to_ms: TO, bundles: [content], keys: null, earlier: [] },
    ...{ now_ms: TO + DAY_MS, version: "0.1.0", progress: () => undefined },
    ...more,
  });
}
