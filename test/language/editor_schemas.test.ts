import { readFileSync, readdirSync } from "node:fs";
import { Ajv } from "ajv";
import { expect } from "chai";
import { editorSchemas, type EditorSchema } from "../../scripts/editor_schemas.js";
import { schemaFiles } from "../../scripts/schemas.js";
import { readTable } from "../../src/authoring/table.js";
import { compilePurposes } from "../../src/bundle/purposes.js";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { asset } from "../../src/system/paths.js";
import { support, VOCABULARY, WORDS } from "./support.js";

const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
const schemas = editorSchemas();
const accepts = {
  vocabulary: ajv.compile(schemas.vocabulary),
  purposes: ajv.compile(schemas.purposes),
  table: ajv.compile(schemas.table),
};

function complaints(kind: EditorSchema, text: string): string[] {
  const valid = accepts[kind];
  if (valid(new Sheet("x.yaml", text).value)) return [];
  return (valid.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`);
}

/** Whether the builder has an error for it: a schema must never refuse what the builder takes. */
function refused(kind: EditorSchema, text: string): boolean {
  const sheet = new Sheet("x.yaml", text);
  if (kind === "vocabulary") compileVocabulary(sheet);
  if (kind === "purposes") compilePurposes(sheet, WORDS);
  if (kind === "table") readTable(sheet, WORDS);
  return sheet.notes.some(({ severity }) => severity === "error");
}

const entry = (line: string, text: string): string => support(`${line}:\n  - ${text}`);
const field = (type: string): string => `verbs: {}\ntypes: {invoice: {attributes: {x: ${type}}}}\n`;
const hours = (text: string): string => support(`hours: ${text}`);
const GIVEN = 'table: t\ngiven: {now: "2027-03-02T10:15:00Z", agent: {id: a, purposes: []}}\n';
const row = (text: string): string => `${GIVEN}cases: [{it: ${text}}]\n`;

const BROKEN: Record<EditorSchema, string[]> = {
  vocabulary: [
    "{}",
    "[]",
    "verbs: {}",
    "verbs: {}\ntypes: {}\nverb: {}",
    "verbs: {read: read}\ntypes: {}",
    "verbs: {read: {}}\ntypes: {}",
    "verbs: {read: {class: reed}}\ntypes: {}",
    'verbs: {read: {class: read, collection: "true"}}\ntypes: {}',
    "verbs: {Read: {class: read}}\ntypes: {}",
    "verbs: {}\ntask: {subjects: ticket-id}\ntypes: {}",
    "verbs: {}\ntask: {subject: [ticket]}\ntypes: {}",
    "verbs: {}\nagent: {team: string}\ntypes: {}",
    "verbs: {}\ntypes: {invoice: [id]}",
    "verbs: {}\ntypes: {invoice: {id: url}}",
    "verbs: {}\ntypes: {invoice: {id: {masked: url}}}",
    "verbs: {}\ntypes: {invoice: {id: masked}}",
    "verbs: {}\ntask: {principal: true}\ntypes: {}",
    "verbs: {}\ncontext: {session: true}\ntypes: {}",
    "verbs: {}\ncontext: {trail: masked}\ntypes: {}",
    field("{masked: strin}"),
    field("{masked: id, max: 4}"),
    "verbs: {}\ntypes: {invoice: {about: customer}}",
    "verbs: {}\ntypes: {invoice: {related: {pay_from: [account]}}}",
    "verbs: {}\ntypes: {invoice: {atributes: {}}}",
    ...["interger", "4", "null", "[]", "[a, a]", "[1, 2]", "{}", "{list: id}", "{list: id, max: 0}"].map(field),
    ...["{list: id, max: 1001}", "{string: {}}", "{string: {max: 1}, max: 1}", "{object: [id]}"].map(field),
    ...["{object: {City: id}}", "{object: {}, string: {max: 1}}", "{string: {max: 65537}}"].map(field),
  ],
  purposes: [
    "{}",
    "[]",
    "support: {}",
    "Support: {statement: a, owner: b, task: required}",
    "support: {statement: a, owner: b}",
    "support: {statement: a, task: required}",
    "support: {owner: b, task: required}",
    'support: {statement: "", owner: b, task: required}',
    "support: {statement: a, owner: b, task: sometimes}",
    ...["alow: []", "deny: []", "answer_lasts: 5", "answer_lasts: 5m", "allow: {read: invoice}"].map(support),
    entry("allow", "invoice"),
    entry("allow", "{about: task}"),
    entry("allow", "{}"),
    entry("allow", "{read: 4}"),
    entry("allow", "{read: []}"),
    entry("allow", "{read: invoice, about: mine}"),
    entry("allow", "{read: invoice, proceed: true}"),
    entry("allow", "{read: invoice, severity: hihg}"),
    entry("allow", "{read: invoice, code: not-this}"),
    entry("allow", "{read: invoice, when: paid}"),
    entry("allow", "{read: invoice, when: {paid: null}}"),
    entry("allow", "{read: invoice, when: {customer: []}}"),
    entry("allow", "{read: invoice, when: {customer: {}}}"),
    entry("allow", "{read: invoice, when: {customer: {nto: ada}}}"),
    entry("allow", "{read: invoice, when: {customer: {not: a, prefix: b}}}"),
    entry("allow", '{read: invoice, when: {amount_cents: {at_most: "5"}}}'),
    entry("allow", "{read: invoice, when: {customer: {same_as: [a]}}}"),
    entry("allow", "{read: invoice, obligations: {confirm: {with: a}}}"),
    entry("allow", "{read: invoice, obligations: [{confirm: {with: a}, notify: {channel: b}}]}"),
    entry("allow", "{read: invoice, obligations: [{redact: {field: a}}]}"),
    entry("allow", "{read: invoice, obligations: [{}]}"),
    entry("flag", "{read: invoice}"),
    entry("flag", "{read: invoice, proceed: perhaps}"),
    entry("never", "{read: invoice, proceed: true}"),
    entry("never", "{read: invoice, obligations: []}"),
    hours('{open: {mon: "08:00-18:00"}, outside: {then: log}}'),
    hours("{zone: Europe/Berlin, open: {}, outside: {then: log}}"),
    hours('{zone: Europe/Berlin, open: {mno: "08:00-18:00"}, outside: {then: log}}'),
    hours('{zone: Europe/Berlin, open: {mon: "8-18"}, outside: {then: log}}'),
    hours('{zone: Europe/Berlin, open: {mon: "08:00-18:00"}}'),
    hours('{zone: Europe/Berlin, open: {mon: "08:00-18:00"}, outside: {then: allow}}'),
    hours('{zone: Europe/Berlin, open: {mon: "08:00-18:00"}, outside: {then: flag}}'),
    hours('{zone: Europe/Berlin, open: {mon: "08:00-18:00"}, outside: {then: log, proceed: true}}'),
  ],
  table: [
    "{}",
    GIVEN,
    `${GIVEN}cases: []`,
    `${GIVEN}cases: {it: {read: invoice/I-1, then: allow}}`,
    row("{read: invoice/I-1, then: allow}").replace("table: t\n", ""),
    row("{read: invoice/I-1, then: allow}").replace("agent:", "agnet:"),
    row("{read: invoice/I-1, then: allow}").replace("purposes", "purpose"),
    row("{read: invoice/I-1, then: allow}").replace("T10", " 10"),
    row("{read: invoice/I-1, then: allow}").replace("{it:", "{also: {read: invoice/I-1, then: allow}, it:"),
    row("{read: invoice/I-1, then: allow}").replace("{id: a, ", "{id: a, status: gone, "),
    row("{then: allow}"),
    row("{}"),
    row("invoice"),
    row("{read: invoice/I-1}"),
    row("{read: invoice/I-1, then: alow}"),
    row("{read: 4, then: allow}"),
    row("{read: [invoice/I-1], then: allow}"),
    row("{read: invoice/, then: allow}"),
    row("{read: Invoice/I-1, then: allow}"),
    row("{read: invoice/I-1, then: deny, because: not permitted}"),
    row("{read: invoice/I-1, then: deny, because: []}"),
    row("{read: invoice/I-1, then: allow, given: [task]}"),
    row("{read: invoice/I-1, then: allow, given: {tsak: null}}"),
    row("{read: invoice/I-1, then: allow, with: [a]}"),
    row("{read: invoice/I-1, then: allow, related: [account/A-1]}"),
    row("{read: invoice/I-1, then: allow, related: {pay_from: 4}}"),
  ],
};

const GOOD: Record<EditorSchema, string[]> = {
  vocabulary: [VOCABULARY, "verbs: {}\ntypes: {}\n", "verbs: {}\ntypes: {a: , b: {}}\ntask: {}\nagent: {}\n"],
  purposes: [
    support("answer_lasts: 100ms\nallow: []"),
    entry("allow", "{read: [invoice, ticket], update: customer, about: task, code: a.b, severity: low}"),
    entry("allow", "{read: invoice, when: {amount_cents: {at_least: 1, at_most: 9}, status: [open], task.topic: {not: billing}}}"),
    entry("allow", "{read: invoice, when: {note: {prefix: [a, b]}, customer: {same_as: related.pay_from.owner}, paid: true}}"),
    entry("allow", "{read: invoice, obligations: [{redact: {fields: a}}, {modify: {argument: reason, value: x}}]}"),
    entry("flag", "{read: invoice, about: other, proceed: false, tell_agent: Wait., obligations: [{notify: {channel: b}}]}"),
    hours('{zone: UTC, open: {sat-mon: ["08:00-12:00", "22:00-24:00"]}, outside: {then: flag, proceed: true}}'),
  ],
  table: [
    row("{read: invoice/I-1, then: allow}"),
    row("{search: invoice, with: {customer: ada}, related: {pay_from: account/A-1}, then: flag and wait, because: [a, b.c]}"),
    row(
      '{read: invoice/a/b c, given: {now: "2027-03-02T10:15:00.5+01:00", task: null, agent.purposes: []}, then: deny, because: a}',
    ).replace(
      "purposes: []}}",
      "purposes: []}, task: {id: T, purpose: p, topic: billing, expires: null}, resources: {invoice/I-1: {}}, grants: [{id: G, exact: true, read: invoice, about: other, when: {customer: a}}]}",
    ),
  ],
};

describe("schemas for editors", () => {
  it("are the files that ship, and no others", () => {
    const files = schemaFiles();
    expect(readdirSync(asset("rego", "schemas")).sort()).to.deep.equal([...files.keys()].sort());
    for (const [name, text] of files) expect(readFileSync(asset("rego", "schemas", name), "utf8"), name).to.equal(text);
  });

  it("say of every key what it is for", () => {
    const silent: string[] = [];
    const visit = (schema: unknown, at: string): void => {
      if (typeof schema !== "object" || schema === null) return;
      for (const [keyword, value] of Object.entries(schema)) {
        if (keyword === "properties" && !at.endsWith("/if")) {
          for (const [key, member] of Object.entries(value as Record<string, { description?: string }>)) {
            if ((member.description ?? "").length < 5) silent.push(`${at}/${key}`);
          }
        }
        visit(value, `${at}/${keyword}`);
      }
    };
    visit(schemas, "");
    expect(silent).to.deep.equal([]);
  });

  for (const set of readdirSync(asset("rego", "policies"))) {
    it(`accept the set ${set}`, () => {
      const read = (file: string): string => readFileSync(asset("rego", "policies", set, file), "utf8");
      expect(complaints("vocabulary", read("vocabulary.yaml"))).to.deep.equal([]);
      expect(complaints("purposes", read("purposes.yaml"))).to.deep.equal([]);
      const tables = readdirSync(asset("rego", "policies", set, "tables"));
      expect(tables).to.not.be.empty;
      for (const file of tables) expect(complaints("table", read(`tables/${file}`)), file).to.deep.equal([]);
    });
  }

  for (const kind of ["vocabulary", "purposes", "table"] as const) {
    for (const text of GOOD[kind]) {
      it(`accept as ${kind} what the builder does: ${JSON.stringify(text.slice(-80))}`, () => {
        expect(refused(kind, text)).to.equal(false);
        expect(complaints(kind, text)).to.deep.equal([]);
      });
    }
    for (const text of BROKEN[kind]) {
      it(`refuse as ${kind} what the builder does: ${JSON.stringify(text.slice(-80))}`, () => {
        expect(refused(kind, text)).to.equal(true);
        expect(complaints(kind, text)).to.not.be.empty;
      });
    }
  }
});
