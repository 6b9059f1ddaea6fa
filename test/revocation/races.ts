/**
 * Races of revocations against decisions, over sockets: connections that ask without pause, for an agent, for a task of its
 * that another works on, one by one and in batches, while it is revoked and restored again and again.
 */
import { Client, requestOf, type Target } from "../../bench/client.js";

export interface RaceOptions {
  host: string;
  port: number;
  /** Of a caller who may decide, register and revoke anything. */
  token: string;
  connections: number;
  /** By what means it is revoked and lifted, in turn; left out: as an operator does. What isn't as it should be is said. */
  means?: { revoke: (nth: number) => Promise<string | null>; lift: (nth: number) => Promise<string | null> };
  /** Goes on until so many decisions were under way while something was revoked. */
  races: number;
  progress?: (races: number) => void;
}

export interface Raced {
  /** Revocations. */
  windows: number;
  /** Decisions asked for before a revocation was acknowledged and answered after it was sent. */
  races: number;
  /** Of all windows the fewest that were asked for, and answered, after the acknowledgement. */
  after_least: number;
  decisions: number;
  allowed: number;
  seconds: number;
  /** Milliseconds from sending a revocation to the first answer that denies, and to its acknowledgement. */
  denied_ms: number[];
  acknowledged_ms: number[];
  /** What should never have come; none is right. */
  violations: string[];
}

/** What is revoked, in turn. Each stops the agent, and what others do on tasks that it handed on. */
const SCOPES = [{ agent: "a-1" }, { task: "T-1" }, { owner: "race" }, { purpose: "testing" }, { everything: true }];
const LIFTS = ["agent/a-1", "task/T-1", "owner/race", "purpose/testing", "everything"];
const AFTER_LEAST = 100;
const BATCH = 8;

const PROCEEDS = /"proceed":(true|false)/g;

type Phase = "open" | "revoking" | "acknowledged" | "lifting";

export async function race(options: RaceOptions): Promise<Raced> {
  const { host, port, token, connections } = options;
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const target = (path: string): Target => ({ host, port, path, headers });
  const operator = await Client.open({ host, port });
  const tell = async (path: string, body: object): Promise<string> => {
    const reply = await operator.ask(requestOf(target(path), JSON.stringify(body)));
    if (reply.status !== 200 && reply.status !== 201) throw new Error(`${path}: ${reply.status} ${reply.body}`);
    return reply.body;
  };
  const byOperator = {
    revoke: async (nth: number) => {
      const told = await tell("/revocations", { scope: SCOPES[nth % SCOPES.length], reason: "a race" });
      return (JSON.parse(told) as { durable: boolean }).durable ? null : `a revocation wasn't durable: ${told}`;
    },
    lift: async (nth: number) => {
      await tell(`/revocations/${LIFTS[nth % SCOPES.length] ?? ""}/lift`, { reason: "again" });
      return null;
    },
  };
  const { means = byOperator } = options;
  for (const id of ["a-1", "a-2"]) {
    await tell("/agents", { id, owner: "race", purposes: ["testing"], delegates: ["testing"] });
  }
  const expires = new Date(Date.now() + 86_400_000).toISOString();
  const subjects = { customer: ["ada"] };
  await tell("/tasks", { id: "T-1", agent: "a-1", purpose: "testing", subjects, expires });
  await tell("/tasks", { id: "T-2", agent: "a-2", purpose: "testing", parent: "T-1", subjects, expires });

  const state = { phase: "open" as Phase, over: false, after: 0, allowed: 0, sent: 0, denied: false };
  const raced: Raced = {
    windows: 0,
    races: 0,
    after_least: Infinity,
    decisions: 0,
    allowed: 0,
    seconds: 0,
    denied_ms: [],
    acknowledged_ms: [],
    violations: [],
  };
  const violate = (what: string): void => {
    if (raced.violations.length < 10) raced.violations.push(what);
  };
  let wake: () => void = () => undefined;
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds() && raced.violations.length === 0) await new Promise<void>((resolve) => (wake = resolve));
  };

  const action = (agent: string, task: string): object => ({
    agent,
    task,
    purpose: "testing",
    verb: "read",
    resource: { type: "note", id: "n-1", attributes: { customer: "ada" } },
  });
  const [own, handedOn] = [action("a-1", "T-1"), action("a-2", "T-2")];
  const actions = Array.from({ length: BATCH }, (_, i) => (i % 2 === 0 ? own : handedOn));
  const requests = [own, handedOn].map((one) => requestOf(target("/decide"), JSON.stringify(one)));
  requests.push(requestOf(target("/decide/batch"), JSON.stringify({ actions })));

  async function ask(request: Buffer): Promise<void> {
    let client = await Client.open({ host, port });
    while (!state.over) {
      const [before, window] = [state.phase, raced.windows];
      const { status, body } = await client.ask(request);
      const answers = body.match(PROCEEDS) ?? [];
      const allowed = answers.filter((answer) => answer.endsWith("true")).length;
      raced.decisions += answers.length;
      raced.allowed += allowed;
      if (status === 0) {
        // An idle connection is ended; on a busy machine one is idle for as long as this process waits for its turn.
        client = await Client.open({ host, port });
        continue;
      }
      if (status !== 200) violate(`an answer was ${status} ${body}`);
      if (state.phase === "acknowledged") {
        if (allowed > 0) violate(`allowed after the acknowledgement, asked for while it was ${before}: ${body}`);
        if (before === "acknowledged" && window === raced.windows) state.after += answers.length;
      }
      if (state.phase === "open") state.allowed += allowed;
      else if (before === "open" || before === "revoking") raced.races += answers.length;
      if (state.phase === "revoking" && !state.denied && allowed < answers.length) {
        state.denied = true;
        raced.denied_ms.push(performance.now() - state.sent);
      }
      wake();
    }
    client.close();
  }

  const began = performance.now();
  const asking = Array.from({ length: connections }, (_, i) => ask(requests[i % requests.length] ?? Buffer.alloc(0)));
  while (raced.races < options.races && raced.violations.length === 0) {
    await until(() => state.allowed >= connections);
    Object.assign(state, { phase: "revoking", denied: false, sent: performance.now(), after: 0 });
    const wrong = await means.revoke(raced.windows);
    raced.acknowledged_ms.push(performance.now() - state.sent);
    if (wrong !== null) violate(wrong);
    // What had left before the acknowledgement did is on this side already, and is read in this turn.
    await new Promise((resolve) => setImmediate(resolve));
    state.phase = "acknowledged";
    await until(() => state.after >= AFTER_LEAST);
    raced.after_least = Math.min(raced.after_least, state.after);
    state.phase = "lifting";
    const notLifted = await means.lift(raced.windows);
    if (notLifted !== null) violate(notLifted);
    Object.assign(state, { phase: "open", allowed: 0 });
    raced.windows++;
    options.progress?.(raced.races);
  }
  state.over = true;
  await Promise.all(asking);
  operator.close();
  raced.seconds = (performance.now() - began) / 1000;
  return raced;
}
