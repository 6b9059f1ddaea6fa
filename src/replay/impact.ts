/** Computes what another bundle would have decided for the decisions on record. */
import { Problem, type PolicyIdentity } from "../contract/index.js";
import type { Timers } from "../system/index.js";
import { decideAgain } from "./repeated_decision.js";
import { inBatches, type ReplayProgress } from "./batches.js";
import type { RunningBundle } from "./bundles.js";
import { fit } from "./fit.js";
import { dependsOnMask, withoutDigests } from "./mask_dependence.js";
import type { DecisionInputs, ReplayableRecord } from "./recorded_decision.js";
import type { RecordRange, UnreadableRecord } from "./records.js";
import { ReplayTally, type CountedChanges } from "./tally.js";
import type { Conclusion } from "../decision/question.js";

/** Records that nothing can be said of, and why. */
export interface Apart {
  why: string;
  records: number;
  first_seq: number;
}

export interface Field {
  name: string;
  records: number;
}

export interface Impact extends CountedChanges {
  bundle: PolicyIdentity;
  /** First record that was read; null if there was no record. */
  first: RecordPlace | null;
  last: RecordPlace | null;
  /** A value that the bundle's vocabulary can't express: a service that has it refuses such a request. */
  inexpressible: Apart[];
  /** The floor refused for something that the bundle has: what a policy would be asked is not on record. */
  unasked: Apart[];
  masked: number;
  /** Null where nothing is masked. */
  first_masked: number | null;
  /** Denied since their evaluation took too long then, which says nothing of the policy. */
  stopped: number;
  unreadable: number;
  /** Records of something else. */
  others: number;
  /** Fields on record that the bundle's vocabulary doesn't know: left out of what its policy was asked. */
  unknown_fields: Field[];
  /** Fields of its vocabulary that records don't have: null in what its policy was asked. */
  missing_fields: Field[];
}

export interface RecordPlace {
  seq: number;
  time: string;
}

/** Decisions and unreadable records that `decisions` doesn't count: nothing can be told of them. */
export function untold({ inexpressible, unasked, masked, stopped, unreadable }: Impact): number {
  return [...inexpressible, ...unasked].reduce((sum, { records }) => sum + records, masked + stopped + unreadable);
}

export interface ImpactListener {
  unreadable: (one: UnreadableRecord) => void;
  progress: (so_far: ReplayProgress) => void;
}

const STOPPED = "evaluation_budget";
const APART_MAX = 100;
const FIELDS_MAX = 1_000;

export type ImpactVerdict =
  | { is: "decided"; conclusion: Conclusion; unknown: readonly string[]; missing: readonly string[] }
  | { is: "inexpressible" | "unasked"; why: string }
  | { is: "masked" }
  | { is: "stopped" };

export async function impact(
  folder: string,
  range: RecordRange,
  bundle: RunningBundle,
  timers: Pick<Timers, "turnEnd">,
  told: ImpactListener,
): Promise<Impact> {
  const tally = new ReplayTally();
  const counts = { masked: 0, stopped: 0, unreadable: 0, others: 0 };
  let first_masked: number | null = null;
  const apart = { inexpressible: new Map<string, Apart>(), unasked: new Map<string, Apart>() };
  const fields = { unknown: new Map<string, number>(), missing: new Map<string, number>() };
  const ends: { first: RecordPlace | null; last: RecordPlace | null } = { first: null, last: null };

  const take = (recorded: ReplayableRecord, verdict: ImpactVerdict): void => {
    const place = { seq: recorded.seq, time: recorded.record.time };
    ends.first ??= place;
    ends.last = place;
    if (verdict.is === "masked") first_masked ??= recorded.seq;
    if (verdict.is === "masked" || verdict.is === "stopped") counts[verdict.is]++;
    else if (verdict.is !== "decided") putApart(apart[verdict.is], verdict.why, recorded.seq);
    else {
      for (const name of verdict.unknown) add(fields.unknown, name);
      for (const name of verdict.missing) add(fields.missing, name);
      tally.add(recorded, verdict.conclusion);
    }
  };

  await inBatches(
    folder,
    range,
    timers,
    (batch) => {
      for (const read of batch) {
        if (read.what === "unreadable") {
          counts.unreadable++;
          told.unreadable({ seq: read.seq, why: read.why });
        } else if (read.what === "other") counts.others++;
        else take(read, judge(read, bundle));
      }
    },
    told.progress,
  );
  return {
    bundle: bundle.identity,
    ...ends,
    ...tally.counted(),
    ...counts,
    first_masked,
    inexpressible: [...apart.inexpressible.values()],
    unasked: [...apart.unasked.values()],
    unknown_fields: listed(fields.unknown),
    missing_fields: listed(fields.missing),
  };
}

export function judge(recorded: ReplayableRecord, bundle: RunningBundle): ImpactVerdict {
  const { record, made } = recorded;
  if (record.answer.reasons[0]?.code === STOPPED) return { is: "stopped" };
  if (dependsOnMask(recorded, bundle.vocabulary)) return { is: "masked" };
  if (made.by === "policy") withoutDigests(made.inputs, recorded.masked);
  const fitted = fitAll(made, bundle);
  if ("why" in fitted) return { is: "inexpressible", why: fitted.why };
  const conclusion = decideAgain(fitted.made, bundle, record);
  if (conclusion !== null) return { is: "decided", conclusion, unknown: fitted.unknown, missing: fitted.missing };
  const code = record.answer.reasons[0]?.code ?? "nothing";
  return { is: "unasked", why: `refused for ${code} on record, and not by this bundle` };
}

type Fitting = { made: DecisionInputs; unknown: readonly string[]; missing: readonly string[] } | { why: string };

function fitAll(made: DecisionInputs, bundle: RunningBundle): Fitting {
  if (made.by === "floor") return { made, unknown: [], missing: [] };
  const [unknown, missing] = [new Set<string>(), new Set<string>()];
  try {
    const [own, ...above] = made.inputs.map((input) => {
      const fitted = fit(input, bundle.reader);
      for (const name of fitted.unknown) unknown.add(name);
      for (const name of fitted.missing) missing.add(name);
      return fitted.input;
    });
    if (own === undefined) throw new Error("a decision without input");
    return { made: { ...made, inputs: [own, ...above] }, unknown: [...unknown], missing: [...missing] };
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    const { type } = made.inputs[0].request.resource;
    return { why: `${type}: ${cause.detail.field ?? ""} must be ${cause.detail.expected ?? "something else"}` };
  }
}

function putApart(apart: Map<string, Apart>, why: string, seq: number): void {
  const told = apart.has(why) || apart.size < APART_MAX ? why : "for other reasons";
  const known = apart.get(told);
  if (known === undefined) apart.set(told, { why: told, records: 1, first_seq: seq });
  else known.records++;
}

function add(counts: Map<string, number>, name: string): void {
  if (counts.has(name) || counts.size < FIELDS_MAX) counts.set(name, (counts.get(name) ?? 0) + 1);
}

function listed(counts: ReadonlyMap<string, number>): Field[] {
  return [...counts].map(([name, records]) => ({ name, records })).sort((a, b) => b.records - a.records);
}
