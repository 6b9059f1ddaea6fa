/** Facts as people read them: one as a list of what it says, many as a table. */
import type { InForce } from "../../contract/index.js";
import type { Exit } from "../exit.js";
import { sayError, sayJson, type Ui } from "../ui.js";

export function sayTable(ui: Ui, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  ");
  ui.out(ui.paint("bold", line(head)));
  for (const row of rows) ui.out(line(row));
}

/** One cell, on one line. */
export function cell(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-";
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(", ") || "-";
  return (typeof value === "string" ? value : JSON.stringify(value)).replaceAll("\n", " ");
}

export function sayFact(ui: Ui, fact: object, json: true | undefined): void {
  if (json === true) {
    sayJson(ui, { ok: true, ...fact });
    return;
  }
  const names = Object.keys(fact);
  const width = Math.max(...names.map((name) => name.length));
  for (const [name, value] of Object.entries(fact)) ui.out(`${ui.paint("dim", name.padEnd(width))}  ${cell(value)}`);
}

/** A fact that was changed; of one that narrows, whether that will outlive the service. */
export function sayChanged(ui: Ui, fact: object & Partial<InForce>, json: true | undefined): Exit {
  sayFact(ui, fact, json);
  if (fact.durable !== false) return "ok";
  if (json !== true)
    sayError(
      ui,
      `it holds at once, and isn't durable yet: ${fact.problem ?? "the store fails"}`,
      "the service tries again until it is; `remit facts events` shows it then",
    );
  return "held";
}

export function sayList<T extends object>(
  ui: Ui,
  { items, more }: { items: readonly T[]; more: boolean },
  columns: Readonly<Record<string, (item: T) => unknown>>,
  json: true | undefined,
): void {
  if (json === true) {
    sayJson(ui, { ok: true, items, more });
    return;
  }
  if (items.length === 0) ui.err("there are none");
  else
    sayTable(
      ui,
      Object.keys(columns),
      items.map((item) => Object.values(columns).map((of) => cell(of(item)))),
    );
  if (more) ui.err(`there are more; --limit says how many to show`);
}

/** Nodes of a cluster that haven't answered: what they have isn't among what is shown. */
export function sayMissing(ui: Ui, missing: readonly string[]): void {
  if (missing.length === 0) return;
  const who = `${missing.length === 1 ? "node" : "nodes"} ${missing.join(", ")}`;
  ui.err(`${ui.paint("yellow", "warning:")} no answer of ${who}; what is there is missing here`);
}
