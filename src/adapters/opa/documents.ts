/**
 * The documents that a decision is read by, under the names that they have in the bundle's data. There are no others: a part of
 * an answer is no answer, since it may leave out what is owed in return.
 */
import type { Answer } from "../../contract/index.js";

export interface DecisionDocument {
  answer: Answer;
  /** The answer as JSON. */
  text: string;
}

/** Returns the document as JSON for a decision; null: nothing was asked. Undefined is OPA's "undefined". */
export type Document = (decision: DecisionDocument | null) => string | undefined;

export const DECIDE = "remit/decide";

/** For who takes a boolean, and so could meet no obligation: none may be open. False by default: it is never undefined. */
function allowText(decision: DecisionDocument | null): string {
  return String(decision !== null && decision.answer.proceed && decision.answer.obligations.length === 0);
}

function packageText(decision: DecisionDocument | null): string {
  return `{"allow":${allowText(decision)}${decision === null ? "" : `,"decide":${decision.text}`}}`;
}

const DOCUMENTS: ReadonlyMap<string, Document> = new Map<string, Document>([
  [DECIDE, (decision) => decision?.text],
  ["remit/allow", allowText],
  ["remit", packageText],
  ["", (decision) => `{"remit":${packageText(decision)}}`],
]);

/** @param path as OPA reads it: between slashes, percent-decoded, empty segments left out */
export function documentAt(path: string): Document | undefined {
  return DOCUMENTS.get(path);
}
