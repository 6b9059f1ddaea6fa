/** A bundle whose policy shows a fault where the argument `do` asks for one, and what its answers and records should be. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Answer, PolicyData } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { archive, content, policyData, signed } from "../bundle/support.js";

export type Fault = "conflict" | "memory" | "endless" | "large" | "long" | "huge";

export const FAULTS_WASM = readFileSync(asset("test", "fixtures", "faults.wasm"));

export function faultsData(purposes?: string[]): PolicyData {
  const data = policyData(purposes);
  const { note } = data.vocabulary.types;
  if (note === undefined) throw new Error("the vocabulary has no notes");
  note.arguments = {
    do: { kind: "enum", values: ["nothing", "conflict", "memory", "endless", "large", "long", "huge"] },
  };
  return data;
}

/** Signed; without an end. */
export async function faultsBundle(sequence = 12, wasm: Buffer = FAULTS_WASM): Promise<Buffer> {
  const files = content({ sequence, expires: null }, faultsData());
  return await archive(signed(files.set("policy.wasm", wasm)));
}

export function action(id: string, fault?: Fault): object {
  return {
    agent: "a-1",
    purpose: "testing",
    verb: "read",
    resource: { type: "note", id },
    arguments: { do: fault ?? "nothing" },
  };
}

/** What an answer says, for comparing: `allow permitted n-1`, `deny evaluation_failed`. */
export function told({ decision, proceed, reasons }: Answer): string {
  const [reason, ...others] = reasons;
  const id = reason?.params["id"];
  return [
    decision,
    proceed === (decision === "allow") ? null : "proceed is another",
    reason?.code,
    typeof id === "string" ? id : null,
    others.length > 0 ? "and others" : null,
  ]
    .filter((part) => part !== null)
    .join(" ");
}

export function permitted(id: string): string {
  return `allow permitted ${id}`;
}

export interface LogRecord {
  seq: number;
  kind: string;
  time: string;
  answer: Answer;
}

/** A stopped service's records in the order of their segments, other kinds than decisions left out. */
export function decisionRecords(folder: string): LogRecord[] {
  return records(folder).filter(({ kind }) => kind === "decision");
}

export function records(folder: string): LogRecord[] {
  const log = join(folder, "log");
  return readdirSync(log)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(log, name), "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as LogRecord);
}
