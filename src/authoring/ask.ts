/** Asks a policy about a situation, through the very `decide` that serves: only clock, facts and log are the author's. */
import { REQUEST_LIMITS, type Answer, type PolicyInput } from "../contract/index.js";
import { decider } from "../decision/decide.js";
import type { ActivePolicy, Caller } from "../decision/ports.js";
import { NO_TOKEN, NOTHING_RECORDED, knownCaller, fixedProfile } from "../decision/fixed_ports.js";
import { NOTHING_SEEN, supposedFlow } from "./given_flow.js";
import type { CaseSituation } from "./situation.js";
import { systemRandom, systemTimers } from "../system/index.js";

export interface PolicyAnswer {
  answer: Answer;
  /** Input of the policy; null if the floor refused before. */
  input: PolicyInput | null;
}

const AUTHOR: Caller = { id: "author", scopes: new Set(), token: NO_TOKEN };

const LIMITS = {
  ...REQUEST_LIMITS,
  batch_actions_max: 1,
  time_skew_max_ms: 30_000,
  approval_wait_ms: 900_000,
  chained_tasks_max: 1000,
};

/** @throws Problem where the request itself isn't one that an enforcement point may send */
export async function ask(
  policy: ActivePolicy,
  { request, facts, now_ms, behavior, flow = NOTHING_SEEN }: CaseSituation,
): Promise<PolicyAnswer> {
  let record = "";
  const { decideAction } = decider({
    system: { clock: { wall: () => now_ms, monotonic: () => 0 }, random: systemRandom, timers: systemTimers },
    identity: knownCaller(AUTHOR),
    engine: { active: policy },
    facts,
    log: {
      seq: 0,
      append: (body) => {
        record = body;
        return Promise.resolve();
      },
    },
    profile: fixedProfile(behavior),
    flow: supposedFlow(flow),
    masks: NOTHING_RECORDED,
    limits: LIMITS,
  });
  const { answer } = await decideAction(request, AUTHOR);
  const { input } = JSON.parse(`{${record}}`) as { input?: PolicyInput };
  return { answer, input: input ?? null };
}
