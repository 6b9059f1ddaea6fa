import { expect } from "chai";
import { diffBundles, isSame, type Difference } from "../../src/bundle/diff.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { build, COMPILER_BUILD_MS_MAX, type Changes } from "./support.js";

async function difference(before: Changes, after: Changes): Promise<Difference> {
  const [old, now] = [await build(before), await build(after)];
  return diffBundles(await readUnverified(old.archive), await readUnverified(now.archive));
}

function inPurposes(from: string, to: string): Changes {
  return { "purposes.yaml": (text) => text.replace(from, to) };
}

describe("the difference of two bundles, in words", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  const search = "    - { search: [incident, account] }\n";

  it("is nothing between two builds of the same sources", async () => {
    expect(isSame(await difference({}, {}))).to.equal(true);
  });

  const cases: [title: string, member: keyof Difference, change: Changes, wanted: string][] = [
    [
      "an allow that came",
      "permits_more",
      inPurposes(search, `${search}    - { read: mailbox, about: task }\n`),
      "it_helpdesk now allows read mailbox about the task",
    ],
    ["an allow that went", "permits_less", inPurposes(search, ""), "it_helpdesk no longer allows search account"],
    [
      "a condition that was dropped",
      "permits_more",
      inPurposes(", when: { privileged: false } }", " }"),
      "it_helpdesk now allows reset account about the task",
    ],
    [
      "a never that went",
      "permits_more",
      inPurposes("    - { read: mailbox, code: mail_is_private, severity: high }\n", ""),
      "it_helpdesk no longer forbids read mailbox (mail_is_private)",
    ],
    [
      "a flag that no longer waits",
      "permits_more",
      inPurposes("proceed: false", "proceed: true"),
      "it_helpdesk now flags reset account about the task when privileged is true, and goes on (privileged_reset)",
    ],
    [
      "hours that changed",
      "watches",
      inPurposes("07:00-19:00", "00:00-19:00"),
      "it_helpdesk hours: mon-fri 07:00-19:00 Europe/Berlin, outside flag off_hours → mon-fri 00:00-19:00",
    ],
    [
      "a task that is no longer needed",
      "permits_more",
      inPurposes("task: required", "task: optional"),
      "it_helpdesk now works without a task",
    ],
    ["a rule that went", "permits_more", { "rules.rego": null, "rules_test.rego": null }, "rule reset_to_stranger (deny) is gone"],
    [
      "a rule that changed within",
      "rules",
      { "rules.rego": (text) => text.replace("is_string(notify)", "notify != null") },
      "rules/rules.rego changed: 1 lines added, 1 removed",
    ],
    [
      "a word that came",
      "words",
      { "vocabulary.yaml": (text) => text.replace("  delete:", "  grow: { class: write }\n  delete:") },
      "verb grow is new",
    ],
  ];
  for (const [title, member, change, wanted] of cases) {
    it(`tells ${title}`, async () => {
      const found = await difference({}, change);
      expect(found[member].join("\n")).to.include(wanted);
    });
  }

  it("quotes words that would run into the sentence, and names fields as authors do", async () => {
    const { permits_less } = await difference(
      {},
      {
        "vocabulary.yaml": (text) => text.replace("[low, normal, high]", '[low, "rather high"]'),
        "purposes.yaml": (text) =>
          text.replace(
            "  never:",
            "  never:\n    - { read: account, when: { recovery_email: { same_as: arguments.notify }, task.urgency: [low, rather high] } }",
          ),
      },
    );
    expect(permits_less.join("\n")).to.include('task.urgency is low or "rather high"');
    expect(permits_less.join("\n")).to.include("recovery_email is the same as arguments.notify");
  });

  it("doesn't take a later build's longer reach for a change of the zone", async () => {
    const [old, now] = await Promise.all(
      [1, 40].map(async (day) => {
        const [builtMs, expiresMs] = [Date.UTC(2026, 0, day), Date.UTC(2027, 0, day)];
        return await readUnverified((await build({}, { builtMs, expiresMs })).archive);
      }),
    );
    if (old === undefined || now === undefined) expect.fail();
    expect(diffBundles(old, now).data.filter((line) => line.includes("zone"))).to.deep.equal([]);
    const week = now.data.zones["Europe/Berlin"]?.weeks.flat()[40];
    if (week === undefined) expect.fail();
    week[2] -= 3_600_000;
    expect(diffBundles(old, now).data).to.include("zone Europe/Berlin changed");
  });

  it("doesn't take an entry that moved for another", async () => {
    const { permits_more, permits_less } = await difference(
      {},
      inPurposes("  allow: # what no line allows is denied\n", `  allow:\n    - { delete: incident }\n`),
    );
    expect(permits_more).to.deep.equal(["it_helpdesk now allows delete incident"]);
    expect(permits_less).to.deep.equal([]);
  });
});
