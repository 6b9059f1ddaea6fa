/** Puts notices on record, each with the finding that it belongs to: as those of actions, they are a fold over the records. */
import {
  NOTICES,
  RECORD_VERSION,
  aroundSeq,
  type NoticeCode,
  type NoticeRecord,
  type SharedOddity,
  type Sighted,
} from "../contract/index.js";
import type { Log } from "../decision/ports.js";
import type { IncidentPort } from "../decision/pdp.js";
import type { Clock } from "../system/index.js";

/** Notice, as it was reported or detected. */
export interface DetectedNotice {
  code: NoticeCode;
  /** Caller that reports it; for a silent sensor, the caller that doesn't. */
  caller: string;
  agent: string | null;
  purpose: string | null;
  /** For people. */
  message: string;
  detail: Record<string, unknown>;
}

export interface NoticesDeps {
  log: Log;
  incidents: IncidentPort;
  clock: Pick<Clock, "wall">;
  newId: () => string;
}

export class Notices {
  readonly #deps: NoticesDeps;

  constructor(deps: NoticesDeps) {
    this.#deps = deps;
  }

  /** Resolves when it is on record. @throws Problem of the log */
  async note({ message, ...noticed }: DetectedNotice): Promise<{ id: string; finding: string | null }> {
    const { log, incidents, clock, newId } = this.#deps;
    const id = newId();
    const { severity, opens } = NOTICES[noticed.code];
    const time = new Date(clock.wall()).toISOString();
    const members = { ...noticed, id, kind: "notice" as const, message: message.slice(0, MESSAGE_MAX), severity, time };
    const finding = opens ? incidents.place(sightedNotice(members)) : null;
    const { before, after } = aroundSeq({ ...members, v: RECORD_VERSION, ...(finding !== null && { finding }) });
    try {
      await log.append(before, after);
    } catch (cause) {
      if (finding?.startsWith(`F-${id}`) === true) incidents.unrecorded(id);
      throw cause;
    }
    return { id, finding };
  }
}

const MESSAGE_MAX = 512;

/**
 * Returns the notice in the form in which incidents are told apart: an agent's among its own; a sensor's, and what a group's agents have in
 * common, under a name that no agent can have.
 */
export function sightedNotice({ id, code, severity, agent, purpose, caller, time, detail }: Omit<NoticeRecord, "seq" | "v">): Sighted {
  const { kind, value } = detail as Partial<SharedOddity>;
  const nobody = code === "unusual_in_group" ? ` ${kind ?? ""} ${value ?? ""}` : ` ${caller}`;
  return {
    decision_id: id,
    kind: "observed",
    agent: agent ?? nobody,
    known: true,
    purpose: purpose ?? "",
    verb: "",
    type: "",
    id: null,
    time_ms: Date.parse(time),
    decision: "allow",
    reasons: [{ effect: "log", code, severity }],
    opens: true,
  };
}
