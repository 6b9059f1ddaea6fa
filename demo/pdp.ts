/** The two things this enforcement point asks of the service: decisions, and tasks for its conversations. */
import type { Answer, TaskAnswer } from "../src/contract/index.js";
import { systemClock } from "../src/system/index.js";
import type { Action } from "./enforcement.js";

export interface Verdict {
  /** An answer came, it says to go on, and it still holds. */
  mayAct: boolean;
  flagged: boolean;
  /** Of the reasons that decided; where the service answered with a problem, that problem's code. */
  codes: string[];
  obligations: Answer["obligations"];
}

export interface Pdp {
  decide(task: string, action: Action): Promise<Verdict>;
  createTask(task: string, subjects: Record<string, string[]>): Promise<void>;
  addSubject(task: string, type: string, id: string): Promise<void>;
}

export interface Connection {
  /** `http://127.0.0.1:8181` */
  url: string;
  token: string;
  agent: string;
  purpose: string;
}

const TASK_LASTS_MS = 3_600_000;

export function pdp({ url, token, agent, purpose }: Connection): Pdp {
  // The service has seen its own answers; a second one on the same store might be behind, and must then say so.
  let factsRevision = 0;

  const send = (method: string, path: string, body: unknown): Promise<Response> =>
    fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  async function change(method: string, path: string, body: unknown): Promise<void> {
    const response = await send(method, path, body);
    const answered: unknown = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answered)}`);
    factsRevision = Math.max(factsRevision, (answered as TaskAnswer).facts_revision);
  }

  return {
    async decide(task, action) {
      const sent = systemClock.monotonic();
      const response = await send("POST", "/decide", { agent, purpose, task, ...action, at_least: factsRevision });
      const body: unknown = await response.json();
      if (response.status !== 200) {
        return { mayAct: false, flagged: false, codes: [(body as { code: string }).code], obligations: [] };
      }
      const answer = body as Answer;
      return {
        mayAct: answer.proceed && systemClock.monotonic() - sent < answer.valid_for_ms,
        flagged: answer.decision === "flag",
        codes: answer.reasons.filter(({ effect }) => effect === answer.decision).map(({ code }) => code),
        obligations: answer.obligations,
      };
    },
    createTask(task, subjects) {
      const expires = new Date(systemClock.wall() + TASK_LASTS_MS).toISOString();
      return change("POST", "/tasks", { id: task, agent, purpose, subjects, expires });
    },
    addSubject: (task, type, id) => change("PATCH", `/tasks/${task}`, { subjects: { [type]: [id] } }),
  };
}
