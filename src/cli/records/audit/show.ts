/** `remit audit show`: one record, and what became of it. */
import type { Command } from "commander";
import { Problem, visible, visibleJson, type ShownRecord } from "../../../contract/index.js";
import { pathOf } from "../../client.js";
import { CliError } from "../../exit.js";
import type { Ui } from "../../ui.js";
import { actionText, isJudged, labelled, outcomeText, styled, timeText, whatCell, whoText, whyText, type TextCell } from "./lines.js";
import { searching, withSource, type RecordSourceOptions } from "./source.js";

export function addShow(audit: Command, ui: Ui): void {
  searching(
    audit
      .command("show")
      .description("show one record: what was asked, what was decided and why, and what became of it")
      .argument("<id>", "a decision's id, or a record's number"),
    `  $ remit audit show 0190a5e4-7c1a-7000-8000-000000000001
  $ remit audit show 4711 --json | jq .record.input`,
  ).action(async (id: string, options: RecordSourceOptions) => {
    await withSource(options, ui, async (source) => {
      const shown = await source.ask<ShownRecord>(pathOf("decisions", id)).catch((cause: unknown) => {
        if ((cause instanceof Problem || cause instanceof CliError) && cause.code === "record_not_found")
          throw new CliError("missing", `there is no record \`${id}\``, null, { cause, code: cause.code });
        throw cause;
      });
      if (options.json === true) ui.out(visibleJson(shown));
      else for (const line of lines(ui, shown)) ui.out(line);
    });
  });
}

function lines(ui: Ui, shown: ShownRecord): string[] {
  const { record, seq, leaf, outcomes, beside } = shown;
  const rows: [name: string, ...cells: TextCell[]][] = [
    ["record", { text: `${seq}, leaf ${leaf}` }],
    ["time", { text: timeText(record.time) }],
    ["what", whatCell(shown)],
    ["who", { text: whoText(shown) }],
    ["action", { text: actionText(shown) }],
  ];
  if (shown.beside_missing)
    rows.push([
      "missing",
      { text: "what stood beside the record is not there, or isn't what the record says; `remit audit verify` says more", style: "red" },
    ]);
  if (!isJudged(record)) rows.push(["why", { text: whyText(record) }]);
  else {
    const { answer, caller, asked } = record;
    const { action } = shown;
    if (action !== null) rows.push(["for", { text: `${action.purpose}${action.task === null ? "" : `, task ${action.task}`}` }]);
    if (record.at !== undefined) rows.push(["happened", { text: `${timeText(record.at)}, as its caller says` }]);
    rows.push(["caller", { text: caller }], ["asked", { text: timeText(asked) }], ["decision", { text: answer.decision_id }]);
    for (const { effect, severity, code, message, of } of answer.reasons)
      rows.push([
        "reason",
        styled(effect),
        styled(severity),
        { text: code, style: "bold" },
        { text: `${message}${of === undefined ? "" : ` (task ${of})`}` },
      ]);
    for (const obligation of answer.obligations) rows.push(["obligation", { text: JSON.stringify(obligation) }]);
    if (answer.finding !== undefined) rows.push(["finding", { text: answer.finding }]);
    if (answer.wait !== undefined) rows.push(["waits", { text: `for ${answer.wait.for}, until ${answer.wait.until}` }]);
    const { policy } = answer;
    rows.push(["policy", { text: `${policy.bundle} ${policy.revision}, sequence ${policy.sequence}, ${policy.digest}` }]);
    rows.push(["facts", { text: `revision ${answer.facts_revision}` }]);
    if (record.masked !== undefined) rows.push(["masked", { text: record.masked.join(", ") }]);
    rows.push(["valid", { text: `${answer.valid_for_ms} ms` }]);
  }
  const became = outcomeText(shown);
  if (became !== "") rows.push(["outcome", styled(became)]);
  for (const { outcome, time, caller, took_ms, amount, detail } of outcomes) {
    const more = [took_ms === undefined ? "" : `in ${took_ms} ms`, amount === undefined ? "" : `amount ${amount}`, detail ?? ""];
    rows.push(["said", styled(outcome), { text: [timeText(time), `by ${caller}`, ...more].filter(Boolean).join(", ") }]);
  }
  const given = isJudged(record)
    ? { input: record.input, request: record.request, floor: record.floor, ...beside }
    : { ...record, ...beside };
  const detail = JSON.stringify(given, null, 2);
  if (detail === "{}") return labelled(ui, rows);
  return [...labelled(ui, rows), "", ...detail.split("\n").map((line) => ui.paint("dim", visible(line)))];
}
