import { expect } from "chai";
import type { Vocabulary } from "../../src/contract/index.js";
import { compilePurposes, type CompiledPurposes } from "../../src/bundle/purposes.js";
import { Sheet, type SourceNote } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";

export const VOCABULARY = `
verbs:
  read: {class: read}
  search: {class: read, collection: true}
  create: {class: write, collection: true}
  update: {class: write}
task:
  subjects: [ticket, customer]
  attributes: {topic: [billing, delivery], tags: {list: string_word, max: 4}, urgent: boolean}
agent:
  attributes: {team: string, level: integer}
types:
  ticket:
    about: {ticket: id, customer: customer}
    attributes: {customer: id}
  customer:
    about: {customer: id}
  invoice:
    about: {customer: customer}
    attributes:
      customer: id
      amount_cents: integer
      rate: number
      paid: boolean
      status: [open, paid]
      note: string
      contact: email
      items: {list: id, max: 8}
      address: {object: {city: string, geo: {object: {lat: number}}}}
      parts: {list: {object: {item: id}}, max: 4}
    arguments: {amount_cents: integer, to: email, reason: string}
    related: {pay_from: account}
  account:
    attributes: {owner: id, iban: string}
  setting: {}
`.replace("string_word", "string");

export interface Compiled<T> {
  value: T;
  notes: SourceNote[];
}

export function vocabulary(text: string): Compiled<Vocabulary> {
  const sheet = new Sheet("vocabulary.yaml", text);
  return { value: compileVocabulary(sheet), notes: sheet.notes };
}

export const WORDS = vocabulary(VOCABULARY).value;

export function purposes(text: string, words = WORDS): Compiled<CompiledPurposes> {
  const sheet = new Sheet("purposes.yaml", text);
  return { value: compilePurposes(sheet, words), notes: sheet.notes };
}

/** A purpose with more lines below its head, which has three: the first of them is line 5. */
export function support(lines: string): string {
  return `support:\n  statement: answer tickets\n  owner: desk\n  task: required\n${lines.replace(/^/gm, "  ")}\n`;
}

export interface Wrong {
  what: string;
  source: string;
  line: number | null;
  message: string;
  hint?: string;
}

/** The mistake comes first, with its line and what was meant; nothing else is noted but what follows from it there. */
export function expectOnly(notes: SourceNote[], { line, message, hint }: Wrong): void {
  const [note] = notes;
  expect(new Set(notes.map((one) => `${one.severity} ${one.line ?? "?"}`))).to.deep.equal(new Set([`error ${line ?? "?"}`]));
  expect(note?.message).to.include(message);
  expect(note?.line).to.equal(line);
  if (hint !== undefined) expect(note?.hint).to.include(hint);
}

/** `line message` of every error, in the order they were found. */
export function compactErrors(notes: SourceNote[]): string[] {
  return notes.filter(({ severity }) => severity === "error").map(({ line, message }) => `${line ?? "?"} ${message}`);
}
