import { expect } from "chai";
import fc from "fast-check";
import type { BundleContent } from "../../src/bundle/verify.js";
import { recommend } from "../../src/review/recommend.js";
import { withPurposes } from "../../src/review/trial.js";
import { readWritten } from "../../src/review/written_purposes.js";
import { RunningBundle } from "../../src/replay/bundles.js";
import { impact } from "../../src/replay/impact.js";
import { pasted } from "./pasted.js";
import { system } from "../../src/system/index.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { Desk, TASK, bundleOf, runningOf, type Asked } from "../replay/desk.js";
import { LogFolder } from "../replay/folder.js";
import { DAY_MS, FROM, TO } from "./made.js";

/** With entries that can be narrowed in every way. */
const PURPOSES = `it_helpdesk:
  statement: help
  owner: it@example.com
  task: optional
  allow:
    - { read: [incident, account, mailbox], search: [incident, account] }
    - { reset: account, when: { task.urgency: [low, normal, high] } }
    - { delete: [account, incident, mailbox], about: task }
    - { read: account, about: other, when: { privileged: false } }
  flag:
    - { delete: [mailbox, incident], about: other, code: deletes, proceed: true }
    - { reset: account, about: other, code: resets, proceed: false }
  never:
    - { reset: account, when: { privileged: true }, code: privileged }
`;

const asked: fc.Arbitrary<Asked & { urgency: string; day: number }> = fc
  .record({
    verb: fc.constantFrom("read", "search", "reset", "delete"),
    type: fc.constantFrom("incident", "account", "mailbox"),
    owner: fc.constantFrom("ada", "ada", "bob", null),
    privileged: fc.constantFrom(true, false, false, null),
    urgency: fc.constantFrom("low", "normal", "high"),
    day: fc.integer({ min: 0, max: 6 }),
    onTask: fc.boolean(),
  })
  .map(({ verb, type, owner, privileged, urgency, day, onTask }) => ({
    ...{ verb, type, urgency, day },
    ...(onTask ? {} : { task: null }),
    ...(verb === "search" ? {} : { id: `${type}-${owner ?? "x"}` }),
    attributes:
      type === "incident" ? { reporter: owner } : type === "account" ? { owner, privileged, recovery_email: "ada@example.com" } : { owner },
    arguments: type === "account" ? { notify: "ada@example.com" } : {},
  }));

describe("whatever agents did", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("no proposal changes what became of it, on the floors of nothing", async () => {
    const { content } = await bundleOf({ "purposes.yaml": PURPOSES, "tables/a_day_at_the_helpdesk.yaml": null });
    let proposed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 24 }), async (all) => {
        const log = new LogFolder();
        const desk = new Desk(runningOf(content), log);
        for (const { urgency, day, ...one } of all) {
          desk.now = FROM + day * DAY_MS;
          desk.tasks.set(TASK.id, { ...TASK, attributes: { urgency } });
          await desk.ask(one);
        }
        const found = await recommend({
          ...{ folder: log.path, from_ms: FROM, to_ms: TO, purposes: ["it_helpdesk"], text: PURPOSES },
          ...{ vocabulary: content.data.vocabulary, floors: { days: 0, decisions: 1, tasks: 1 }, known: [content] },
          // By the data alone: the policy is asked here, and not before.
          ...{ policy: null, untried: "not asked", timers: system.timers },
          progress: () => undefined,
          unreadable: () => undefined,
        });
        if (found.proposals.length > 0) proposed++;
        expect(await changedBy(log, content, pasted(PURPOSES, found.proposals))).to.deep.include({
          changed: 0,
          newly_stopped: 0,
          newly_allowed: 0,
        });
      }),
      { numRuns: 40 },
    );
    expect(proposed).to.be.above(35);
  });
});

async function changedBy(log: LogFolder, content: BundleContent, text: string): Promise<object> {
  const { purposes, catalogue } = readWritten(text, content.data.vocabulary);
  const bundle = new RunningBundle(withPurposes(content, purposes, catalogue));
  return impact(log.path, { from: null, to: null }, bundle, system.timers, { unreadable: () => undefined, progress: () => undefined });
}
