import { expect } from "chai";
import { type BundleDifference } from "../../src/bundle/diff.js";
import { COMPILER_BUILD_MS_MAX, type Changes } from "./support.js";
import { difference, inPurposes } from "./diff_support.js";

describe("the difference of two bundles, in words", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  const search = "    - { search: [incident, account] }\n";

  const cases: [title: string, member: keyof BundleDifference, change: Changes, wanted: string][] = [
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
});
