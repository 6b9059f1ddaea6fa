/** Records as lines that people read. Whatever they hold is somebody else's text: it stays on its line, and paints nothing. */
import { visible, type FoundRecord, type LogRecord } from "../../../contract/index.js";
import type { Style, Ui } from "../../ui.js";

const CELL_MAX = 60;

export interface TextCell {
  text: string;
  style?: Style | null;
}

/** Lines with columns as wide as what is in them; the last is as long as it is. */
export function aligned(ui: Ui, rows: readonly (readonly TextCell[])[]): string[] {
  const clipped = rows.map((row) =>
    row.map(({ text, style = null }, i) => ({ text: i === row.length - 1 ? visible(text) : clip(visible(text)), style })),
  );
  const widths: number[] = [];
  for (const row of clipped) for (const [i, { text }] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(text));
  return clipped.map((row) =>
    row
      .map(({ text, style }, i) => {
        const pad = i === row.length - 1 ? "" : " ".repeat((widths[i] ?? 0) - widthOf(text));
        return `${style === null ? text : ui.paint(style, text)}${pad}`;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** Names with what belongs to each. */
export function labelled(ui: Ui, rows: readonly (readonly [name: string, ...cells: TextCell[]])[]): string[] {
  const told = rows.filter(([, ...cells]) => cells.some(({ text }) => text !== ""));
  const width = Math.max(...told.map(([name]) => name.length));
  return told.map(([name, ...cells]) => {
    const texts = cells.map(({ text, style = null }) => (style === null ? visible(text) : ui.paint(style, visible(text))));
    return [ui.paint("dim", name.padEnd(width)), ...texts].join("  ");
  });
}

/** Counts code points, which are columns for all but wide characters. */
const widthOf = (text: string): number => Array.from(text).length;

function clip(text: string): string {
  const points = Array.from(text);
  return points.length <= CELL_MAX ? text : `${points.slice(0, CELL_MAX - 1).join("")}…`;
}

export function head(...names: string[]): TextCell[] {
  return names.map((text) => ({ text, style: "bold" }));
}

const STYLES: Readonly<Record<string, Style>> = {
  allow: "green",
  deny: "red",
  flag: "yellow",
  missing: "yellow",
  failed: "red",
  done: "green",
  critical: "red",
  high: "red",
  medium: "yellow",
};
export const styled = (text: string): TextCell => ({ text, style: STYLES[text] ?? null });

type JudgedRecord = Extract<LogRecord, { answer: unknown }>;

export const isJudged = (record: LogRecord): record is JudgedRecord => "answer" in record;

/** 2026-11-25T09:00:00.123Z → 2026-11-25 09:00:00.123 */
export const timeText = (time: string): string => time.replace("T", " ").replace(/Z$/, "");

/** Returns verb and resource. */
export function actionText({ action, record }: Pick<FoundRecord, "action" | "record">): string {
  if (action !== null) return `${action.verb} ${action.type}${action.id === null ? "" : ` ${action.id}`}`;
  return isJudged(record) ? "?" : aboutText(record);
}

/** Returns the subject of a record that judges nothing. */
function aboutText(record: Exclude<LogRecord, JudgedRecord>): string {
  switch (record.kind) {
    case "facts":
      return factText(record);
    case "bundle":
      return `${record.change} ${record.policy === undefined ? "" : `${record.policy.bundle} ${record.policy.revision}`}`.trim();
    case "service":
      return `${record.change}, version ${record.version}, ${record.durability}`;
    case "refusal":
      return `${record.code}, ${record.count} since ${timeText(record.since)}`;
    case "admin":
      return record.action;
    case "outcome":
      return `${record.outcome} ${record.decision_id}`;
    case "notice":
      return record.message;
    case "lost":
      return `${record.count} records were answered for, and are lost`;
    default:
      return "";
  }
}

function factText(record: Record<string, unknown>): string {
  const kind = ["agent", "task", "grant", "narrowing", "finding", "revocation", "import", "bundle"].find(
    (name) => record[name] !== undefined,
  );
  const { id = "", agent = "" } = (kind === undefined ? {} : record[kind]) as { id?: string; agent?: string };
  return `${String(record["change"])}${kind === undefined ? "" : ` ${kind}/${kind === "narrowing" ? agent : id}`}`;
}

/** Why: the codes of the reasons that decided, or what was given as a reason. */
export function whyText(record: LogRecord): string {
  if (!isJudged(record)) {
    const { reason, code, detail } = record as { reason?: string | null; code?: string; detail?: unknown };
    return (
      reason ?? (record.kind === "bundle" || record.kind === "notice" ? code : undefined) ?? (typeof detail === "string" ? detail : "")
    );
  }
  const { decision, reasons } = record.answer;
  const deciding = reasons.filter(({ effect }) => effect === decision);
  return (deciding.length === 0 ? reasons : deciding).map(({ code }) => code).join(", ");
}

/** Returns the outcome. */
export function outcomeText({ outcome }: Pick<FoundRecord, "outcome">): string {
  return (outcome ?? "").replaceAll("_", " ");
}

/** Returns the agent, or the caller of what no agent did. */
export function whoText({ action, record }: Pick<FoundRecord, "action" | "record">): string {
  if (isJudged(record)) return action?.agent ?? "?";
  const { agent, caller } = record as { agent?: string | null; caller?: string };
  return (record.kind === "notice" ? agent : null) ?? caller ?? "";
}

export function whatCell({ record }: Pick<FoundRecord, "record">): TextCell {
  if (!isJudged(record)) return { text: record.kind, style: "cyan" };
  const { decision, proceed } = record.answer;
  const text = record.kind === "observed" ? `${decision} (observed)` : decision === "flag" && proceed ? "flag (goes on)" : decision;
  return { text, style: STYLES[decision] ?? null };
}

/** A record in a list. */
export function rowOf(one: FoundRecord): TextCell[] {
  const outcome = outcomeText(one);
  return [
    { text: String(one.seq), style: "dim" },
    { text: timeText(one.record.time) },
    whatCell(one),
    { text: whoText(one) },
    { text: actionText(one) },
    { text: whyText(one.record) },
    { text: outcome, style: one.outcome === null ? "dim" : (STYLES[one.outcome] ?? "dim") },
  ];
}
