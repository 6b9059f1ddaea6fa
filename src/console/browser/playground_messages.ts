/** Messages between the playground's page and its worker. */
import type { SourceNote } from "../../bundle/source.js";
import type { CaseReport, CaseOutcome } from "../../authoring/run.js";
import type { SetReport } from "../../authoring/report.js";
import type { Answer, Explanation, PolicyInput } from "../../contract/index.js";

/** Path in the set → text. */
export type SetFiles = Record<string, string>;

export interface Library {
  /** Version of the compiler. */
  opa: string;
  /** The package's own files that compiling reads, by their paths. */
  assets: SetFiles;
  /** Policy sets to begin with. */
  sets: Record<string, SetFiles>;
}

export type ToWorker =
  | { kind: "load"; opa: string; library: string }
  | { kind: "run"; turn: number; name: string; files: SetFiles }
  | { kind: "explain"; turn: number; file: string; line: number }
  | { kind: "test"; turn: number }
  | { kind: "open"; turn: number; archive: ArrayBuffer };

/** A case of a table, as a page shows it. */
export type ShownCase = Pick<CaseReport, "name" | "file" | "line" | "passed" | "error" | "hint" | "nearest"> & {
  wanted: CaseOutcome["then"];
  got: CaseOutcome | null;
};

export interface RunResult {
  notes: SourceNote[];
  /** Null if the set doesn't compile. */
  cases: ShownCase[] | null;
  /** Milliseconds. */
  ms: number;
}

export interface CaseExplanation {
  answer: Answer | null;
  input: PolicyInput | null;
  explanation: Explanation | null;
  /** Why the request itself was refused. */
  error: string | null;
}

export interface TestResult {
  notes: SourceNote[];
  /** Null if the set doesn't compile. */
  report: SetReport | null;
  /** Milliseconds. */
  ms: number;
}

/** Answers, each with the turn of its question. */
export type FromWorker =
  | { kind: "loaded"; sets: Library["sets"]; opa: string; ms: number }
  | ({ kind: "ran"; turn: number } & RunResult)
  | ({ kind: "explained"; turn: number } & CaseExplanation)
  | ({ kind: "tested"; turn: number } & TestResult)
  | { kind: "opened"; turn: number; files: SetFiles | null }
  | { kind: "broken"; message: string };
