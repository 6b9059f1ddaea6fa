/** A fact's revision as entity tag: who changes it can say what the change is based on (RFC 9110, section 13.1.1). */
import type { IncomingMessage } from "node:http";
import { Problem, type InForce } from "../contract/index.js";
import { json, type Content } from "./reply.js";

const TAG = /^"(0|[1-9]\d{0,14})"$/;

/** Returns the revision in `If-Match`; null without the header, or for `*`. @throws Problem `if_match_invalid` */
export function ifMatch({ headers }: IncomingMessage): number | null {
  const given = headers["if-match"];
  if (given === undefined || given === "*") return null;
  const tag = TAG.exec(given);
  if (tag === null) throw new Problem("if_match_invalid", { field: "if-match", expected: '`"7"`, or `*`' });
  return Number(tag[1]);
}

/** One fact, with its revision as `ETag`. */
export function factAnswer(status: number, fact: { revision: number }): Content {
  return { ...json(status, fact), headers: { etag: `"${fact.revision}"` } };
}

/** A fact as it is after a change, and, of one that narrows, how it holds. */
export function changedAnswer({ fact, in_force }: { fact: { revision: number }; in_force: InForce | null }): Content {
  const answer: { revision: number | null } = { ...fact, ...in_force };
  return answer.revision === null ? json(200, answer) : factAnswer(200, { ...answer, revision: answer.revision });
}
