/** Messages between the playground's page and its worker. */
import type { SourceNote } from "../../bundle/source.js";
import type { CaseReport, Outcome } from "../../authoring/run.js";
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
  wanted: Outcome["then"];
  got: Outcome | null;
};

export interface Ran {
  notes: SourceNote[];
  /** Null if the set doesn't compile. */
  cases: ShownCase[] | null;
  /** Milliseconds. */
  ms: number;
}

export interface Explained {
  answer: Answer | null;
  input: PolicyInput | null;
  explanation: Explanation | null;
  /** Why the request itself was refused. */
  error: string | null;
}

export interface Tested {
  notes: SourceNote[];
  /** Null if the set doesn't compile. */
  report: SetReport | null;
  /** Milliseconds. */
  ms: number;
}

/** Answers, each with the turn of its question. */
export type FromWorker =
  | { kind: "loaded"; sets: Library["sets"]; opa: string; ms: number }
  | ({ kind: "ran"; turn: number } & Ran)
  | ({ kind: "explained"; turn: number } & Explained)
  | ({ kind: "tested"; turn: number } & Tested)
  | { kind: "opened"; turn: number; files: SetFiles | null }
  | { kind: "broken"; message: string };
