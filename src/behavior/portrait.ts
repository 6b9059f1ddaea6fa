/** Describes an agent's profile for people. */
import { checkpointTimes, type AgentMemory } from "./agent.js";
import { evidenceOf, type TestEvidence } from "./evidence.js";
import { total, upTo, usual } from "./histogram.js";
import { aDay } from "./pace.js";
import { riskAtRest } from "./score.js";
import * as S from "./slab.js";
import { daysOf } from "./tables.js";

export interface Portrait {
  /** Milliseconds since the epoch. */
  first_ms: number;
  last_ms: number;
  /** Days on which it was active. */
  days: number;
  /** Acts learned from; old ones count less. */
  acts: number;
  /** At its last act, 0-100. */
  risk: number;
  /** Shares of its activity, by local hour. */
  hours: number[];
  /** Habits, the most frequent first; `is_new`: begun in the seven days before the agent's last act. */
  habits: { verb: string; type: string; acts: number; days: number; is_new: boolean }[];
  /** All but one in a thousand stay within these; `types` of those it has seen often enough to say. */
  usual: { acts_in_2_min: number; resources_in_session: number; types: UsualOfType[] };
  sources: number;
  /** Evidence of tests over sessions, as it stands. */
  evidence: TestEvidence[];
  /** Milliseconds since the epoch, to which its habits can be rolled back. */
  checkpoints_ms: number[];
}

export interface UsualOfType {
  type: string;
  acts_in_5_min: number;
  distinct_in_10_min: number;
  /** Null before there is a usual. */
  distinct_in_a_week: number | null;
  /** 0-1: of its acts on this type. */
  with_task: number;
  on_known: number;
}

const OF_TYPE_FROM = 20;
const UNNAMED = "?";

export function portraitOf(state: AgentMemory, names: ReadonlyMap<number, string>): Portrait {
  const { slab } = state;
  const { f, u } = slab;
  const last = u[S.LAST] ?? 0;
  const sum = Math.max(1, f[S.HOURS_SUM] ?? 0);
  const habits: Portrait["habits"] = slots(S.KEYS, u).map((i) => {
    const [verb = UNNAMED, type = UNNAMED] = (names.get(u[S.keyAt(S.KEYS, i)] ?? 0) ?? "").split("\t").filter((name) => name !== "");
    const isNew = (u[i + S.KEY.first] ?? 0) > Math.floor(last / 86_400) - 7;
    return { verb, type, acts: Math.round(f[i + S.KEY.acts] ?? 0), days: daysOf(u[i + S.KEY.days] ?? 0), is_new: isNew };
  });
  const types = slots(S.TYPES, u)
    .filter((i) => (f[i + S.TYPE.acts] ?? 0) >= OF_TYPE_FROM)
    .map((i): UsualOfType => {
      const bins = ((i - S.TYPES.at) / S.TYPES.width) * S.BINS;
      const n = Math.max(1, f[i + S.TYPE.acts] ?? 0);
      return {
        type: names.get(u[S.keyAt(S.TYPES, i)] ?? 0) ?? UNNAMED,
        acts_in_5_min: upTo(usual(slab, S.TYPE_RATE_BINS + bins, 0.001)),
        distinct_in_10_min: total(slab, S.TYPE_FAN_BINS + bins) === 0 ? 0 : upTo(usual(slab, S.TYPE_FAN_BINS + bins, 0.001)),
        distinct_in_a_week: (f[i + S.TYPE.norm] ?? 0) === 0 ? null : Math.round(7 * aDay(f[i + S.TYPE.norm] ?? 0)),
        with_task: share(f[i + S.TYPE.tasked] ?? 0, n),
        on_known: share(f[i + S.TYPE.known] ?? 0, n),
      };
    });
  return {
    first_ms: (u[S.BORN] ?? 0) * 1000,
    last_ms: last * 1000,
    days: f[S.DAYS] ?? 0,
    acts: Math.round(f[S.ACTS] ?? 0),
    risk: Math.round(riskAtRest(slab, last)),
    hours: Array.from({ length: 24 }, (_, i) => share(f[S.HOURS + i] ?? 0, sum)),
    habits: habits.sort((a, b) => b.acts - a.acts || (a.verb < b.verb ? -1 : 1)),
    usual: {
      acts_in_2_min: upTo(usual(slab, S.RATE_BINS, 0.001)),
      resources_in_session: upTo(usual(slab, S.SUBJECT_BINS, 0.001)),
      types: types.sort((a, b) => (a.type < b.type ? -1 : 1)),
    },
    sources: slots(S.SOURCES, u).length,
    evidence: evidenceOf(slab),
    checkpoints_ms: checkpointTimes(state).map((at) => at * 1000),
  };
}

/** Indexes of the slots that hold something. */
function slots(table: S.SlabTable, u: Uint32Array): number[] {
  const { at, slots: count, width } = table;
  return Array.from({ length: count }, (_, k) => at + k * width).filter((i) => u[S.keyAt(table, i)] !== 0);
}

function share(part: number, of: number): number {
  return Math.round((1000 * part) / of) / 1000;
}
