/** A policy set that masks wherever something can be masked, and canaries to put there. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildBundle, type BuiltBundle } from "../../../src/bundle/build.js";
import { compiler } from "../../build/support.js";
import { KEY, NAME } from "../../bundle/support.js";

const VOCABULARY = `
verbs:
  read: {class: read}
  write: {class: write}
  send: {class: write}
  find: {class: read, collection: true}
task:
  subjects: [customer]
  principal: masked
  attributes: {note: {masked: {string: {max: 500}}}, topic: [billing, other]}
agent: {attributes: {badge: {masked: id}}}
context: {session: masked, source: masked, trace: masked}
types:
  customer:
    id: {masked: name}
    about: {customer: id}
  account:
    id: {masked: path}
    attributes: {iban: {masked: string}}
  letter:
    about: {customer: customer}
    related: {from: account}
    attributes:
      customer: id
      address: {masked: email}
      lines: {list: {object: {text: {masked: {string: {max: 500}}}, count: integer}}, max: 8}
    arguments:
      to: {masked: email}
      text: {masked: {string: {max: 50000}}}
      tags: {masked: {list: id, max: 8}}
      cents: {masked: integer}
      copies: integer
`;

const PURPOSES = `
testing:
  statement: write letters
  owner: tests
  task: optional
  answer_lasts: 5s
  allow:
    - {read: letter, about: task, message: "{agent} reads {id} of {customer}, for {arguments.to}"}
    - {read: [customer, account]}
    - {find: letter}
  flag:
    - {read: letter, about: other, code: another_customer, severity: low, proceed: true, message: "{resource} about {task.note}"}
    - {write: letter, code: looked_at, severity: low, proceed: true, message: "from {related.from.id}, {related.from.iban}, by {agent.badge}"}
    - {send: letter, code: looked_at_first, severity: low, proceed: false, message: "{arguments.to}"}
`;

const RULES = `# METADATA
# title: What a purpose file can't say
# schemas:
#   - input: schema.input
package rules.testing

import data.remit.reason

# METADATA
# title: Letters go to the address on file
# custom:
#   code: letter_to_stranger
#   severity: high
#   message: "{shouted} isn't {address}; {beginning}, {amount}"
deny contains reason.because(rego.metadata.rule(), params) if {
	input.request.verb == "write"
	is_string(to)
	is_string(input.request.arguments.text)
	to != input.request.resource.attributes.address
	params := {
		"shouted": upper(to),
		"address": input.request.resource.attributes.address,
		"beginning": substring(input.request.arguments.text, 0, 40),
		"amount": input.request.arguments.cents,
	}
}

to := input.request.arguments.to

oblige contains {"type": "modify", "argument": "text", "value": lower(input.request.arguments.text)} if {
	input.request.verb == "write"
	input.request.arguments.copies == 1
}

oblige contains {"type": "notify", "channel": lower(to)} if {
	input.request.verb == "write"
}
`;

const FILES = { "vocabulary.yaml": VOCABULARY, "purposes.yaml": PURPOSES, "rules.rego": RULES };

export async function maskingBundle(changes: Partial<typeof FILES> = {}): Promise<BuiltBundle> {
  const dir = mkdtempSync(join(tmpdir(), "remit-masks-"));
  try {
    for (const [file, text] of Object.entries({ ...FILES, ...changes })) {
      mkdirSync(dirname(join(dir, file)), { recursive: true });
      writeFileSync(join(dir, file), text.trimStart());
    }
    const settled = { key: KEY, name: NAME, sequence: 1, expiresMs: null, builtMs: Date.UTC(2026, 0, 1), commit: null };
    return await buildBundle(await compiler(), { dir, ...settled });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Texts and numbers that nothing else in the world has, by where they were put. */
export class Canaries {
  readonly put = new Map<string, string>();

  text(where: string): string {
    const canary = `Canary${randomBytes(9).toString("hex")}`;
    this.put.set(canary, where);
    return canary;
  }

  email(where: string): string {
    return `${this.text(where)}@example.com`.toLowerCase();
  }

  number(where: string): number {
    const canary = randomBytes(6).readUIntBE(0, 6) + 2 ** 49;
    this.put.set(String(canary), where);
    return canary;
  }

  /** Something that was put nowhere and mustn't be found either. */
  hide(canary: string, where: string): void {
    this.put.set(canary, where);
  }

  /** Where the first one that a text holds was put, whatever has become of its letters' case; null where it holds none. */
  foundIn(text: string): string | null {
    const lower = text.toLowerCase();
    for (const [canary, where] of this.put) if (lower.includes(canary.toLowerCase())) return where;
    return null;
  }
}
