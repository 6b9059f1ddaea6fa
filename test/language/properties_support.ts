import fc from "fast-check";
import { stringify } from "yaml";
import { Sheet } from "../../src/bundle/source.js";
import { support } from "./support.js";

export const KEYS =
  "verbs task agent types subjects attributes arguments about related id class collection list object string max read search update create invoice customer ticket statement owner answer_lasts hours zone open outside mon then allow flag never when code severity proceed message obligations redact confirm fields with not at_most prefix same_as task.topic table given cases now grants resources because constructor __proto__ toString".split(
    " ",
  );
export const word = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...KEYS) }, fc.string({ maxLength: 8 }));
export const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", maxDepth: 7 },
    fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null), fc.double({ noNaN: true })),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.uniqueArray(fc.tuple(word, tie("tree")), { selector: ([key]) => key, maxLength: 6 }).map(Object.fromEntries),
  ),
}));

/** A document that is right, with one value somewhere in it replaced. */
export function damaged(document: unknown): fc.Arbitrary<unknown> {
  const places: (string | number)[][] = [];
  const visit = (value: unknown, path: (string | number)[]): void => {
    places.push(path);
    if (typeof value !== "object" || value === null) return;
    for (const [key, member] of Object.entries(value)) visit(member, [...path, Array.isArray(value) ? Number(key) : key]);
  };
  visit(document, []);
  const put = (value: unknown, [key, ...rest]: (string | number)[], to: unknown): unknown => {
    if (key === undefined) return to;
    const copy = structuredClone(value) as Record<string | number, unknown>;
    copy[key] = put(copy[key], rest, to);
    return copy;
  };
  return fc.tuple(fc.constantFrom(...places), tree).map(([path, to]) => put(document, path, to));
}

export const GOOD_PURPOSES = support(
  'hours: {zone: UTC, open: {mon: "08:00-18:00"}, outside: {then: log}}\nallow:\n  - {read: invoice, about: task, when: {status: open, amount_cents: {at_most: 5}}, obligations: [{redact: {fields: [a]}}]}\nflag:\n  - {read: invoice, about: other, when: {customer: {same_as: task.customer}}, code: c, proceed: false}',
);

export function damagedText(good: string): fc.Arbitrary<string> {
  const value: unknown = new Sheet("x.yaml", good).value;
  return fc.oneof(damaged(value), tree).map((document) => stringify(document));
}
