import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { parse } from "yaml";
import { compilePolicySet } from "../../src/bundle/compile.js";
import { editsOf } from "../../src/review/edit.js";
import { LayoutUnclear, applied } from "../../src/review/text_edit.js";
import type { ProposedNarrowing } from "../../src/review/proposal.js";
import { unifiedDiff } from "../../src/review/unified_diff.js";
import { cellKey, readWritten, type WrittenEntry } from "../../src/review/written.js";
import { asset } from "../../src/system/paths.js";
import { temporaryDirectory } from "../audit/temporary.js";

const DESK = compilePolicySet(asset("templates", "policy"));

/** A purpose of the helpdesk's vocabulary with these lists. */
const purpose = (lists: string): string => `it_helpdesk:
  statement: help
  owner: it@example.com
  task: required
${lists}`;

function entriesOf(text: string): readonly WrittenEntry[] {
  return readWritten(text, DESK.vocabulary).entries.get("it_helpdesk") ?? [];
}

type Wanted = Partial<Omit<ProposedNarrowing, "written" | "unused">> & { entry: number; unused?: string[] };

function narrowed(text: string, ...wanted: Wanted[]): string {
  const entries = entriesOf(text);
  const narrowings = wanted.map(({ entry, unused = [], about_task = false, when = [] }): ProposedNarrowing => {
    const written = entries[entry];
    if (written === undefined) throw new Error(`there is no entry ${entry}`);
    return { written, about_task, when, unused: written.cells.filter((cell) => unused.includes(cellKey(cell))) };
  });
  return applied(text, editsOf(text, narrowings));
}

describe("a narrower entry is written where the entry stands", () => {
  const layouts: [what: string, before: string, wanted: Wanted[], after: string][] = [
    [
      "a type out of a list, which one word is left of",
      "  allow:\n    - { read: [incident, account], about: task } # their own\n",
      [{ entry: 0, unused: ["read account"] }],
      "  allow:\n    - { read: incident, about: task } # their own\n",
    ],
    [
      "a type out of a list of three",
      "  allow:\n    - {read: [incident, account, mailbox], about: task}\n",
      [{ entry: 0, unused: ["read account"] }],
      "  allow:\n    - {read: [incident, mailbox], about: task}\n",
    ],
    [
      "the first verb of two",
      "  allow:\n    - { read: account, search: account, about: task }\n",
      [{ entry: 0, unused: ["read account"] }],
      "  allow:\n    - { search: account, about: task }\n",
    ],
    [
      "a verb in a mapping of lines",
      "  allow:\n    - read: account # as they are\n      search: account\n      about: task # theirs\n",
      [{ entry: 0, unused: ["search account"] }],
      "  allow:\n    - read: account # as they are\n      about: task # theirs\n",
    ],
    [
      "the first verb of a mapping of lines",
      "  allow:\n    - read: account\n      search: account\n      about: task\n",
      [{ entry: 0, unused: ["read account"] }],
      "  allow:\n    - search: account\n      about: task\n",
    ],
    [
      "a type of a list of lines",
      "  allow:\n    - read:\n        - incident # the ticket\n        - account\n      about: task\n",
      [{ entry: 0, unused: ["read account"] }],
      "  allow:\n    - read:\n        - incident # the ticket\n      about: task\n",
    ],
    [
      "a whole entry, and what is said above it stays",
      "  allow:\n    # looking\n    - { search: [incident, account] }\n    # reading\n    - { read: account, about: task }\n",
      [{ entry: 0, unused: ["search incident", "search account"] }],
      "  allow:\n    # looking\n    # reading\n    - { read: account, about: task }\n",
    ],
    [
      "the last entry",
      "  allow: # what no line allows is denied\n    - { read: account }\n  never:\n    - { read: mailbox }\n",
      [{ entry: 0, unused: ["read account"] }],
      "  allow: [] # what no line allows is denied\n  never:\n    - { read: mailbox }\n",
    ],
    [
      "an entry of a list in one line",
      "  allow: [{ read: account }, { search: account }, { read: incident, about: task }]\n",
      [{ entry: 1, unused: ["search account"] }],
      "  allow: [{ read: account }, { read: incident, about: task }]\n",
    ],
    [
      "`about` where there was none",
      "  allow:\n    - { reset: account, when: { privileged: false } }\n",
      [{ entry: 0, about_task: true }],
      "  allow:\n    - { reset: account, about: task, when: { privileged: false } }\n",
    ],
    [
      "`about` that said any",
      "  allow:\n    - read: account\n      about: any\n",
      [{ entry: 0, about_task: true }],
      "  allow:\n    - read: account\n      about: task\n",
    ],
    [
      "`about` in a mapping of lines",
      "  allow:\n    - read: account\n      code: reads_accounts\n",
      [{ entry: 0, about_task: true }],
      "  allow:\n    - read: account\n      about: task\n      code: reads_accounts\n",
    ],
    [
      "a `when`, behind `about`",
      "  allow:\n    - { read: account, about: task, code: reads_accounts }\n",
      [{ entry: 0, when: [{ name: "task.urgency", to: ["low", "high"] }] }],
      "  allow:\n    - { read: account, about: task, when: {task.urgency: [low, high]}, code: reads_accounts }\n",
    ],
    [
      "one condition more",
      "  allow:\n    - { reset: account, when: { privileged: false } }\n",
      [{ entry: 0, when: [{ name: "task.urgency", to: ["high"] }] }],
      "  allow:\n    - { reset: account, when: { privileged: false, task.urgency: high } }\n",
    ],
    [
      "a condition that lets through less",
      "  allow:\n    - reset: account\n      when:\n        task.urgency: [low, normal, high] # all\n        privileged: false\n",
      [{ entry: 0, when: [{ name: "task.urgency", to: ["low"] }] }],
      "  allow:\n    - reset: account\n      when:\n        task.urgency: low # all\n        privileged: false\n",
    ],
    [
      "an entry over several lines",
      "  allow:\n    - {\n        read: [incident, account],\n        search: account,\n        about: task,\n      }\n",
      [{ entry: 0, unused: ["read incident", "search account"] }],
      "  allow:\n    - {\n        read: account,\n        about: task,\n      }\n",
    ],
    [
      "several at once",
      "  allow:\n    - { read: [incident, account] } # a\n    - { search: account } # b\n  flag:\n    - { read: mailbox, about: other, proceed: true }\n",
      [
        { entry: 0, unused: ["read incident"], about_task: true },
        { entry: 1, unused: ["search account"] },
        { entry: 2, unused: ["read mailbox"] },
      ],
      "  allow:\n    - { read: account, about: task } # a\n  flag: []\n",
    ],
  ];
  for (const [what, before, wanted, after] of layouts) {
    it(what, () => {
      expect(narrowed(purpose(before), ...wanted)).to.equal(purpose(after));
    });
  }

  it("and not at all where it would have to be guessed", () => {
    const shared = purpose("  allow:\n    - - read\n");
    expect(() => entriesOf(shared)).to.throw();
    const odd = purpose("  allow:\n    -\n      read: account\n    - { search: account }\n");
    expect(() => narrowed(odd, { entry: 0, unused: ["read account"] })).to.throw(LayoutUnclear);
    expect(narrowed(odd, { entry: 1, unused: ["search account"] })).to.equal(purpose("  allow:\n    -\n      read: account\n"));
  });

  for (const set of ["customer_support", "retail"]) {
    it(`says what it should, whatever is taken out of ${set}, and its diff is one that git applies`, () => {
      const { vocabulary } = compilePolicySet(asset("rego", "policies", set));
      const text = readFileSync(asset("rego", "policies", set, "purposes.yaml"), "utf8");
      const entries = [...readWritten(text, vocabulary).entries.values()].flat();
      const cells = entries.flatMap((written) => written.cells.map((cell) => ({ written, cell })));
      const folder = temporaryDirectory();
      fc.assert(
        fc.property(fc.subarray(cells, { minLength: 1 }), (gone) => {
          const narrowings = entries.flatMap((written): ProposedNarrowing[] => {
            const unused = gone.flatMap((one) => (one.written === written ? [one.cell] : []));
            return unused.length === 0 ? [] : [{ written, unused, about_task: false, when: [] }];
          });
          const edits = editsOf(text, narrowings);
          const after = applied(text, edits);
          const left = [...readWritten(after, vocabulary).entries.values()].flat();
          const keys = (of: readonly WrittenEntry[]): string[] =>
            of.flatMap(({ line, cells: all }) => all.map((cell) => `${line} ${cellKey(cell)}`));
          const wanted = cells.filter((one) => !gone.includes(one));
          expect(keys(left)).to.deep.equal(wanted.map(({ written, cell }) => `${written.line} ${cellKey(cell)}`));
          expect(comments(after)).to.include.members(comments(text).filter((comment) => !/`proceed: true`/.test(comment)));
          writeFileSync(join(folder, "purposes.yaml"), text);
          writeFileSync(join(folder, "narrower.diff"), unifiedDiff("purposes.yaml", text, edits));
          execFileSync("git", ["apply", "--unsafe-paths", `--directory=${folder}`, join(folder, "narrower.diff")], {
            cwd: "/",
            stdio: "pipe",
          });
          expect(readFileSync(join(folder, "purposes.yaml"), "utf8")).to.equal(after);
        }),
        { numRuns: 25 },
      );
    });
  }

  it("with a diff of a file whose last line has no end", () => {
    const text = purpose("  allow:\n    - { read: account }\n    - { search: account }").trimEnd();
    const [, written] = entriesOf(text);
    if (written === undefined) throw new Error("there are two");
    const edits = editsOf(text, [{ written, unused: written.cells, about_task: false, when: [] }]);
    expect(parse(applied(text, edits)))
      .to.have.nested.property("it_helpdesk.allow")
      .with.lengthOf(1);
    expect(unifiedDiff("purposes.yaml", text, edits)).to.contain("-    - { search: account }\n\\ No newline at end of file\n");
    expect(unifiedDiff("purposes.yaml", text, [])).to.equal("");
  });
});

function comments(text: string): string[] {
  return text.split("\n").flatMap((line) => /^\s*#.*$/.exec(line)?.[0].trim() ?? []);
}
