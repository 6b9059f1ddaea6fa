/**
 * What is written of a decision: its answer, and its record around it. Both are canonical (RFC 8785), so keys are written in
 * their order by hand, around the parts that vary in shape; those were made in that order where they were read.
 */
import { hash } from "node:crypto";
import { RECORD_BYTES_MAX, RECORD_VERSION, canonical, type Answer, type PolicyIdentity } from "../contract/index.js";
import type { Situation } from "./floor.js";
import type { Asker, Gathered } from "./gather.js";
import type { Beside, Maskable, Masked } from "./ports.js";
import type { Action } from "./read.js";

/** `observed`: it has happened, and is judged all the same. */
export type Kind = "decision" | "observed";

/** What an observed action's reporter says of it. */
export interface Happened {
  /** RFC 3339, UTC. */
  at: string;
  outcome: string | null;
  /** Whether its agent should have asked before, and hadn't. */
  unasked?: boolean;
}

/** An answer as JSON. */
export function answerText(answer: Answer): string {
  const { finding, obligations, request_id, tell_agent, wait } = answer;
  return (
    `{"action_digest":"${answer.action_digest}","decision":"${answer.decision}","decision_id":"${answer.decision_id}",` +
    `"facts_revision":${answer.facts_revision},` +
    (finding === undefined ? "" : `"finding":"${finding}",`) +
    `"obligations":${obligations.length === 0 ? "[]" : JSON.stringify(obligations)},` +
    `"policy":${identityText(answer.policy)},"proceed":${answer.proceed},"reasons":${JSON.stringify(answer.reasons)},` +
    (request_id === undefined ? "" : `"request_id":${JSON.stringify(request_id)},`) +
    (tell_agent === undefined ? "" : `"tell_agent":${JSON.stringify(tell_agent)},`) +
    `"valid_for_ms":${answer.valid_for_ms}` +
    (wait === undefined ? "}" : `,"wait":${JSON.stringify(wait)}}`)
  );
}

const identities = new WeakMap<PolicyIdentity, string>();

function identityText(identity: PolicyIdentity): string {
  let text = identities.get(identity);
  if (text === undefined) identities.set(identity, (text = canonical(identity)));
  return text;
}

export interface Recorded {
  kind: Kind;
  action: Action;
  asker: Asker;
  gathered: Gathered;
  /** What the policy was asked, of each task of the chain; none where the floor refused. */
  inputs: readonly string[];
  /** The counted grants of which it takes a use each. */
  uses: readonly string[];
  /** The member that says what the profile learns of it beside; null where it learns nothing. */
  act: string | null;
  answer: Answer;
  /** The answer's text. */
  answer_text: string;
  /** Replaces what the policy masks; null where that is nothing. */
  mask: ((record: Maskable) => Masked) | null;
  /** Milliseconds since the epoch. */
  asked_ms: number;
  /** Of what was observed. */
  happened: Happened | null;
  /** The decision before on the same task. */
  previous: string | null;
  read_ms: number;
  evaluate_ms: number;
}

/**
 * The record's members around its `seq`, and what is too large for it. `input` is, to the byte, what the policy was asked, and
 * `ancestors` what it was asked of the tasks up the chain. Below the floor it was asked nothing, and the record keeps the
 * request and what the floor read instead. Of all that, and of the answer, it has what is masked as digests.
 * @throws Problem `log_unavailable` where something is to be masked and can't be
 */
export function recordText(recorded: Recorded): { before: string; after: string; beside?: Beside } {
  const { asker, gathered, inputs, kind, previous, uses } = recorded;
  const { levels } = gathered;
  const floored = inputs.length === 0;
  const said = masked(recorded, floored ? levels.map(({ situation }) => floorRead(situation)) : inputs, floored);
  const [own = "", ...above] = said.levels;
  const { answer } = said;
  const ancestors = above.length === 0 ? "" : `"ancestors":[${above.join(",")}],`;
  const { happened } = recorded;
  const at = happened === null ? "" : `"at":"${happened.at}",`;
  const asked = `"asked":"${askedText(recorded.asked_ms)}",${at}`;
  const caller = `"caller":${JSON.stringify(asker.caller.id)},`;
  const outcome = happened === null || happened.outcome === null ? "" : `"outcome":"${happened.outcome}",`;
  const chained = `${outcome}"previous":${previous === null ? "null" : `"${previous}"`}`;
  const proof = said.proof === null ? "" : `,"proof":${canonical(said.proof)}`;
  const noted = `${said.pointers}${floored ? "" : notLiveText(levels)}`;
  const request = floored ? `,"request":${JSON.stringify(said.request)}` : "";
  const { adapter } = recorded.action;
  const act = (recorded.act === null ? "" : `${recorded.act},`) + (adapter === null ? "" : `"adapter":"${adapter}",`);
  const head = `${act}${ancestors}"answer":${answer},${asked}`;
  const read = floored ? `"floor":${own},` : `"input":${own},`;
  const after =
    `"stages":{"evaluate_us":${micros(recorded.evaluate_ms)},"read_us":${micros(recorded.read_ms)}},` +
    `"time":"${timeText(levels[0].situation.now_ms)}",` +
    (happened?.unasked === true ? `"unasked":true,` : "") +
    (uses.length === 0 ? "" : `"uses":${JSON.stringify(uses)},`) +
    `"v":${RECORD_VERSION}`;
  const before = `${head}${caller}${read}"kind":"${kind}",${noted}${chained}${proof}${request}`;
  if (!exceeds(before, after)) return { before, after };
  const text = `{${ancestors}${read}${noted}${request === "" ? "" : `${request.slice(1)},`}`.replace(/,$/, "}");
  const digest = `sha256:${hash("sha256", text)}`;
  const place = `"beside":{"bytes":${Buffer.byteLength(text)},"digest":"${digest}"},`;
  return {
    before: `${act}"answer":${answer},${asked}${place}${caller}"kind":"${kind}",${chained}${proof}`,
    after,
    beside: { digest, text },
  };
}

/** What is written in place of what was asked, read and answered; `pointers` is the record's member that says so. */
function masked(
  { action, asker, answer, answer_text, mask }: Recorded,
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

function floorRead({ agent, task, purpose, ...read }: Situation): string {
  return canonical({
    ...read,
    purpose_known: purpose !== undefined,
    agent:
      agent === undefined
        ? null
        : { purposes: [...agent.purposes], registered_ms: agent.registered_ms, status: agent.status },
    task:
      task === undefined
        ? null
        : {
            agent: task.agent,
            purpose: task.purpose,
            parent: task.parent,
            principal: task.principal,
            ended: task.ended,
            expires_ms: task.expires_ms,
            verbs: task.verbs === null ? null : [...task.verbs],
          },
  });
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
