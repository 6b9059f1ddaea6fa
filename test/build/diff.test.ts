import { expect } from "chai";
import { diffBundles, isSame } from "../../src/bundle/diff.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { build, COMPILER_BUILD_MS_MAX } from "./support.js";
import { difference, inPurposes } from "./diff_support.js";

describe("the difference of two bundles, in words", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("is nothing between two builds of the same sources", async () => {
    expect(isSame(await difference({}, {}))).to.equal(true);
  });

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

  it("tells limits that are new, gone or other ones", async () => {
    const line = "  allow: # what no line allows is denied\n";
    const limited = (most: number) =>
      inPurposes(line, `  limits:\n    - { read: incident, at_most: ${most}, per: day, by: owner, code: too_many }\n${line}`);
    const words = (most: number): string => `read incident to ${most} a day of one owner`;
    expect((await difference({}, limited(5))).permits_less).to.deep.equal([`it_helpdesk now limits ${words(5)} (too_many)`]);
    expect((await difference(limited(5), {})).permits_more).to.deep.equal([`it_helpdesk no longer limits ${words(5)} (too_many)`]);
    expect((await difference(limited(5), limited(6))).watches).to.deep.equal([`it_helpdesk limit too_many: ${words(5)} → ${words(6)}`]);
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
