/** Findings as lines that people read. Whatever they hold is somebody else's text: it stays on its line, and paints nothing. */
import { visible, type Finding, type FoundRecord, type ShownFinding } from "../../contract/index.js";
import {
  actionText,
  aligned,
  head,
  isJudged,
  labelled,
  outcomeText,
  styled,
  timeText,
  whatCell,
  whyText,
  type TextCell,
} from "../records/audit/lines.js";
import type { Style, Ui } from "../ui.js";

const STATES: Readonly<Record<Finding["state"], Style>> = {
  open: "yellow",
  in_review: "cyan",
  expected: "green",
  misuse: "red",
  policy_gap: "cyan",
};
type Waiting = Finding["waiting"][number];

const RISK_CELLS = 20;
const FULL_RISK = 100;

export const HEAD: TextCell[] = head("finding", "state", "severity", "agent", "about", "actions", "risk", "last seen");

const whoOf = ({ agent, actions }: Finding): string => agent ?? (actions.all === 0 ? "-" : "(not registered)");

/** Returns the finding's subject in a word. */
function aboutOf({ about, code }: Finding): string {
  return about === "code" ? (code ?? "?") : about === "behavior" ? "unusual behavior" : about;
}

export function rowOf(finding: Finding): TextCell[] {
  const { id, state, severity, actions, risk, last_seen } = finding;
  return [
    { text: id },
    { text: state.replaceAll("_", " "), style: STATES[state] },
    styled(severity),
    { text: whoOf(finding) },
    { text: aboutOf(finding) },
    { text: String(actions.all) },
    { text: risk === null ? "-" : String(risk) },
    { text: timeText(last_seen) },
  ];
}

/** On one line, wherever it stands alone. */
export function lineOf(ui: Ui, finding: Finding): string {
  return aligned(ui, [rowOf(finding)])[0] ?? "";
}

export function linesOf(ui: Ui, shown: ShownFinding): string[] {
  const { id, state, severity, actions, tasks, codes, reasons, waiting, verdict, purpose, version, risk } = shown;
  const counts = Object.entries({ allow: actions.allow, deny: actions.deny, flag: actions.flag });
  // prettier-ignore
  const rows: [name: string, ...cells: TextCell[]][] = [
    ["finding", { text: id, style: "bold" }],
    ["state", { text: state.replaceAll("_", " "), style: STATES[state] }, { text: `revision ${shown.revision}`, style: "dim" }],
    ["severity", styled(severity)],
    ["about", { text: aboutOf(shown) }],
    ["agent", { text: whoOf(shown) }, { text: version === null ? "" : `version ${version}`, style: "dim" }],
    ["purpose", { text: purpose ?? "" }],
    ["tasks", { text: tasks.join(", ") }],
    ["node", { text: [...new Set(shown.parts?.map(({ node }) => node) ?? [shown.node ?? ""])].join(", ") }],
    ["seen", { text: `${timeText(shown.first_seen)} to ${timeText(shown.last_seen)}` }],
    ["actions", { text: `${actions.all}:` }, { text: counts.flatMap(([what, times]) => (times === 0 ? [] : [`${times} ${what}`])).join(", ") }],
    ["risk", { text: risk === null ? "" : riskText(risk), style: riskStyle(risk ?? 0) }],
    ...codes.map(({ code, severity: grave, count }): [string, ...TextCell[]] => ["code", { text: `${count} ×` }, styled(grave), { text: code, style: "bold" }]),
    ...reasons.map(({ message, count }): [string, ...TextCell[]] => ["reason", { text: count === 1 ? message : `${message} (${count} ×)` }]),
    ...waiting.flatMap((one) => waitingRows(shown, one)),
  ];
  if (verdict !== null) {
    rows.push(["said", { text: verdict.reason }, { text: `by ${verdict.by}, ${timeText(verdict.at)}`, style: "dim" }]);
    rows.push(["granted", { text: verdict.grants.join(", ") }], ["kept out", { text: verdict.kept_out ?? "" }]);
  }
  const proposal = verdict?.proposal ?? null;
  return [
    ...labelled(ui, rows),
    "",
    ...timeline(ui, shown),
    ...(proposal === null
      ? []
      : [
          "",
          ...proposal
            .trimEnd()
            .split("\n")
            .map((line) => ui.paint("dim", visible(line))),
        ]),
  ];
}

/** A waiting action with all that is shown of its request: whoever approves it has read that. */
function waitingRows(shown: ShownFinding, { decision_id, until, caller, principals, fields, more }: Waiting): [string, ...TextCell[]][] {
  const left = more === null ? "the request is too large to be shown" : more === 0 ? "" : `${more} more`;
  return [
    ["waits", { text: decision_id }, { text: doneIn(shown, decision_id) }, { text: `until ${timeText(until)}`, style: "dim" }],
    ["", { text: `asked by ${caller}${principals === null || principals.length === 0 ? "" : `, for ${principals.join(", ")}`}` }],
    ...fields.map(({ field, value }): [string, ...TextCell[]] => ["", { text: field, style: "dim" }, { text: value }]),
    ...(left === "" ? [] : [["", { text: `${left}: remit audit show ${decision_id}`, style: "yellow" }] as [string, ...TextCell[]]]),
  ];
}

/** Returns the action of a decision, if the timeline has it. */
function doneIn({ timeline: all }: ShownFinding, decisionId: string): string {
  const one = all.find(({ record }) => isJudged(record) && record.answer.decision_id === decisionId);
  return one === undefined ? "" : actionText(one);
}

/** When, what and why, with what was left out between the first and the latest. */
function timeline(ui: Ui, { timeline: all, actions, first }: ShownFinding): string[] {
  const shown = all.filter(({ record }) => isJudged(record)).length;
  const left = actions.all - shown;
  const lines = aligned(ui, all.map(stepOf));
  const told: string[] = [];
  let day = "";
  for (const [i, { record }] of all.entries()) {
    const on = record.time.slice(0, 10);
    if (on !== day) told.push(ui.paint("bold", visible(on)));
    day = on;
    told.push(`  ${isJudged(record) ? "●" : "◆"} ${lines[i] ?? ""}`);
    const isGap = left > 0 && isJudged(record) && record.answer.decision_id === first.at(-1);
    if (isGap) told.push(`  ┊ ${ui.paint("dim", `${left} more`)}`);
  }
  return told;
}

function stepOf(one: FoundRecord): TextCell[] {
  const { record, action } = one;
  const isHeld = isJudged(record) && record.answer.wait !== undefined;
  return [
    { text: record.time.slice(11, 23), style: "dim" },
    isJudged(record)
      ? whatCell(one)
      : {
          text: record.kind === "notice" ? record.code : ((record as { change?: string }).change ?? record.kind),
          style: "cyan",
        },
    { text: isJudged(record) || record.kind === "notice" ? actionText(one) : "" },
    { text: action?.task ?? "", style: "dim" },
    { text: record.kind === "notice" ? "" : whyText(record) },
    { text: isHeld ? "held" : outcomeText(one), style: "dim" },
  ];
}

/** `61 ████████████░░░░░░░░` */
function riskText(risk: number): string {
  const full = Math.round((Math.min(risk, FULL_RISK) / FULL_RISK) * RISK_CELLS);
  return `${String(risk).padStart(3)} ${"█".repeat(full)}${"░".repeat(RISK_CELLS - full)}`;
}

const riskStyle = (risk: number): Style => (risk >= 60 ? "red" : risk >= 25 ? "yellow" : "green");
