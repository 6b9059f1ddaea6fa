/** A purpose file as a person leaves it who follows proposals: each entry is replaced where it stands. */
import { LineCounter, isSeq, parse, parseDocument } from "yaml";
import type { ProposalReport } from "../../src/review/recommend.js";

export function pasted(text: string, proposals: readonly Pick<ProposalReport, "purpose" | "line" | "at" | "now">[]): string {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { version: "1.2", schema: "core", lineCounter });
  for (const { purpose, line, at, now } of [...proposals].reverse()) {
    const list: unknown = document.getIn([purpose, line], true);
    if (!isSeq<{ range: [number, number, number] }>(list)) throw new Error(`${purpose} has no list ${line}`);
    const index = list.items.findIndex(({ range }) => lineCounter.linePos(range[0]).line === at);
    if (index < 0) throw new Error(`no entry of ${purpose} stands at line ${at}`);
    list.items.splice(index, 1, ...(now === null ? [] : [document.createNode(parse(now)) as (typeof list.items)[number]]));
  }
  return document.toString();
}
