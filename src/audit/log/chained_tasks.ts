/**
 * Which task a decision on record was on. A start asks this of many records, so it is read off their texts, which takes a quarter of
 * the time. What an agent has written may look alike: what has to stand in a record, and stands there once, is the record's own, and
 * behind the request's `task` nothing is an agent's. Any other record is parsed.
 */
import { RECORD_VERSION, type DecisionRecord } from "../../contract/index.js";

export interface Chained {
  task: string | null;
  decision_id: string;
}

/** Beginning of decisions, and of no record of another kind. */
const BEGIN = /^\{"(?:act|adapter|ancestors|answer)":/;
const OF_ANOTHER_KIND = /^\{".*\}$/;
const END = `,"v":${RECORD_VERSION}}`;
const ANSWER = '"answer":{"action_digest":"';
const DECISION = /"answer":\{"action_digest":"[^"\\]+","decision":"\w+","decision_id":"([^"\\]+)"/y;
const ASKED = '},"asked":"';
/**
 * Members that follow in a record that is whole and was decided here; in one that is too large, or was decided elsewhere, something else
 * follows.
 */
const OWN_AND_WHOLE = /\},"asked":"[^"\\]+",(?:"at":"[^"\\]+",)?"caller":"(?:[^"\\]|\\.)*","(?:floor|input)":/y;
const TASK = '"task":';
const VERB = ',"verb":"';

/**
 * Null for what the service hasn't decided itself: it is no decision, or an engine elsewhere has made it. Undefined where the record
 * alone doesn't say it: what it was asked is too large and stands beside it, or it is damaged.
 */
export function chainedIn(bytes: Buffer): Chained | null | undefined {
  const text = bytes.toString("latin1");
  if (!BEGIN.test(text)) return OF_ANOTHER_KIND.test(text) ? null : undefined;
  if (!text.endsWith(END)) return undefined;
  try {
    const decision_id = matchOnce(text, ANSWER, DECISION)?.[1];
    if (decision_id === undefined || matchOnce(text, ASKED, OWN_AND_WHOLE) === null)
      return chained(JSON.parse(bytes.toString()) as DecisionRecord);
    const to = text.lastIndexOf(VERB);
    const task = Buffer.from(text.slice(text.lastIndexOf(TASK, to) + TASK.length, to), "latin1");
    return { task: JSON.parse(task.toString()) as string | null, decision_id };
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    return undefined;
  }
}

/** Returns the match of a pattern at the mark that it begins with; null if the mark is there twice, or something else follows. */
function matchOnce(text: string, mark: string, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = text.indexOf(mark);
  return text.includes(mark, pattern.lastIndex + 1) ? null : pattern.exec(text);
}

function chained({ answer, beside, engine, input, request }: DecisionRecord): Chained | null | undefined {
  if (engine !== undefined) return null;
  if (beside !== undefined) return undefined;
  const { task = null } = (input?.["request"] ?? request ?? {}) as { task?: string | null };
  return { task, decision_id: answer.decision_id };
}
