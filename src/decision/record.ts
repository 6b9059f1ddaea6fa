/** A decision's record is canonical JSON (RFC 8785) around its answer, put together from parts whose texts are made, or kept, elsewhere. */
import { hash } from "node:crypto";
import { RECORD_BYTES_MAX, RECORD_VERSION, canonical, quoted, type ActRecord, type Answer, type FloorFacts } from "../contract/index.js";
import { actText, answerText, floorText, requestText } from "./canonical_texts.js";
import type { Agent, Beside, Maskable, Masked, Task } from "./ports.js";
import type { Gathered, Situation } from "./situation.js";
import type { Attempt } from "./question.js";

export interface RecordedAttempt {
  attempt: Attempt;
  /** The record's member of that name; null if the profile learns nothing. */
  act: ActRecord | null;
  answer: Answer;
  /** The answer's text. */
  answer_text: string;
  /** Replaces what the policy masks; null if that is nothing. */
  mask: ((record: Maskable) => Masked) | null;
  /** The decision before on the same task. */
  previous: string | null;
  /** Values that the task saw in the answer of an observed action; null: not reported, or nobody remembers them. */
  seen: object | null;
}

/**
 * The record's members around its `seq`, and what is too large for it. `input` is, to the byte, what the policy was asked, and
 * `ancestors` what it was asked of the tasks up the chain. Below the floor it was asked nothing, and the record keeps the
 * request and what the floor read instead. Of all that, and of the answer, it has what is masked as digests.
 * @throws Problem `log_unavailable` where something is to be masked and can't be
 */
export function recordText(recorded: RecordedAttempt): { before: string; after: string; beside?: Beside } {
  const { attempt, previous } = recorded;
  const { question, gathered, inputs, uses } = attempt;
  const { asker, happened, kind } = question;
  const { levels } = gathered;
  const floored = inputs.length === 0;
  const said = masked(recorded, floored ? levels.map(({ situation }) => floorText(floorRead(situation))) : inputs, floored);
  const [own = "", ...above] = said.levels;
  const { answer } = said;
  const ancestors = above.length === 0 ? "" : `"ancestors":[${above.join(",")}],`;
  const at = happened === null ? "" : `"at":"${happened.at}",`;
  const asked = `"asked":"${askedText(question.asked_ms)}",${at}`;
  const caller = `"caller":${quoted(asker.caller.id)},`;
  const outcome = happened === null || happened.outcome === null ? "" : `"outcome":"${happened.outcome}",`;
  const chained = `${outcome}"previous":${previous === null ? "null" : `"${previous}"`}`;
  const proof = said.proof === null ? "" : `,"proof":${canonical(said.proof)}`;
  const noted = `${said.pointers}${floored ? "" : notLiveText(levels)}`;
  const request = floored ? `,"request":${requestText(said.request)}` : "";
  const { adapter } = question.action;
  const act = (recorded.act === null ? "" : `"act":${actText(recorded.act)},`) + (adapter === null ? "" : `"adapter":"${adapter}",`);
  const head = `${act}${ancestors}"answer":${answer},${asked}`;
  const read = floored ? `"floor":${own},` : `"input":${own},`;
  const after =
    `"stages":{"evaluate_us":${micros(attempt.evaluate_ms)},${floored ? "" : `"fuel":${attempt.fuel},`}"read_us":${micros(question.read_ms)}},` +
    `"time":"${timeText(levels[0].situation.now_ms)}",` +
    (happened?.unasked === true ? `"unasked":true,` : "") +
    (uses.length === 0 ? "" : `"uses":${JSON.stringify(uses)},`) +
    `"v":${RECORD_VERSION}`;
  const seen = recorded.seen === null ? "" : `,"seen":${canonical(recorded.seen)}`;
  const before = `${head}${caller}${read}"kind":"${kind}",${noted}${chained}${proof}${request}${seen}`;
  if (!exceeds(before, after)) return { before, after };
  const last = `${request}${seen}`.slice(1);
  const text = `{${ancestors}${read}${noted}${last === "" ? "" : `${last},`}`.replace(/,$/, "}");
  const digest = `sha256:${hash("sha256", text)}`;
  const place = `"beside":{"bytes":${Buffer.byteLength(text)},"digest":"${digest}"},`;
  return {
    before: `${act}"answer":${answer},${asked}${place}${caller}"kind":"${kind}",${chained}${proof}`,
    after,
    beside: { digest, text },
  };
}

/** Returns what is written in place of what was asked, read and answered; `pointers` is the record's member that lists what was masked. */
function masked(
  {
    attempt: {
      question: { action, asker },
    },
    answer,
    answer_text,
    mask,
  }: RecordedAttempt,
  levels: readonly string[],
  floored: boolean,
): Pick<Masked, "levels" | "request" | "proof"> & { answer: string; pointers: string } {
  const { request } = action;
  const proof = asker.agent_proof;
  if (mask === null) return { levels, request, proof, answer: answer_text, pointers: "" };
  const said = mask({ answer, levels, floored, request, proof });
  if (said.pointers.length === 0) return { levels, request, proof, answer: answer_text, pointers: "" };
  return { ...said, answer: answerText(said.answer), pointers: `"masked":${JSON.stringify(said.pointers)},` };
}

/** Grants that were found and couldn't be used: no policy sees them, and reasons name them. */
function notLiveText(levels: Gathered["levels"]): string {
  if (levels.every(({ grants }) => grants.length === 0)) return "";
  const found = levels.flatMap(({ grants }, level) =>
    grants.flatMap(({ state, input }) => (state === "live" ? [] : [{ grant: input.id, level, state }])),
  );
  return found.length === 0 ? "" : `"not_live":${JSON.stringify(found)},`;
}

/** `seq` and braces, the most they can take. */
const AROUND_BYTES = 32;

function exceeds(before: string, after: string): boolean {
  const units = before.length + after.length + AROUND_BYTES;
  // A UTF-16 unit is at most three bytes: most texts need not be measured.
  if (units * 3 <= RECORD_BYTES_MAX) return false;
  return Buffer.byteLength(before) + Buffer.byteLength(after) + AROUND_BYTES > RECORD_BYTES_MAX;
}

function micros(ms: number): number {
  return Math.round(ms * 1000);
}

function floorRead(s: Situation): FloorFacts {
  const { actor_stopped, agent_id, agent_proof, caller_permitted, claim_ms, facts_stale, narrowed, now_ms, proven_agent } = s;
  const { purpose_id, revoked, task_id, task_proof, time_skew_max_ms, token_required, type_known, verb_id, verb_known } = s;
  return {
    actor_stopped,
    agent: s.agent === undefined ? null : agentRead(s.agent),
    agent_id,
    agent_proof: agent_proof && { ...agent_proof, chain: [...agent_proof.chain] },
    caller_permitted,
    claim_ms,
    facts_stale,
    narrowed,
    now_ms,
    ...(proven_agent !== undefined && { proven_agent }),
    purpose_id,
    purpose_known: s.purpose !== undefined,
    revoked,
    task: s.task === undefined ? null : taskRead(s.task),
    task_id,
    task_proof,
    time_skew_max_ms,
    token_required,
    type_known,
    verb_id,
    verb_known,
  };
}

function agentRead({ purposes, registered_ms, status }: Agent): FloorFacts["agent"] {
  return { purposes: [...purposes], registered_ms, status };
}

function taskRead({ agent, purpose, parent, principal, ended, expires_ms, verbs }: Task): FloorFacts["task"] {
  return { agent, purpose, parent, principal, ended, expires_ms, verbs: verbs === null ? null : [...verbs] };
}

const askedText = isoText();
const timeText = isoText();

/** Writes milliseconds as RFC 3339. The last is kept: many records share one. */
function isoText(): (ms: number) => string {
  let lastMs = NaN;
  let lastText = "";
  return (ms) => {
    if (ms !== lastMs) [lastMs, lastText] = [ms, new Date(ms).toISOString()];
    return lastText;
  };
}
