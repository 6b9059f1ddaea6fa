/** A change of a text as a unified diff, as `git apply` and `patch` take it. */
import { applied, type Edit } from "./text_edit.js";

const CONTEXT_LINES = 3;

/** Lines `from` up to before `to`, counted from 0, are replaced. */
interface Block {
  from: number;
  to: number;
  lines: string[];
}

/** Empty where nothing changes. @param name the file's, as both sides call it */
export function unifiedDiff(name: string, text: string, edits: readonly Edit[]): string {
  const old = linesOf(text);
  const blocks = blocksOf(old, edits);
  const hunks: Block[][] = [];
  for (const block of blocks) {
    const last = hunks.at(-1)?.at(-1);
    if (last !== undefined && block.from - last.to <= 2 * CONTEXT_LINES) hunks.at(-1)?.push(block);
    else hunks.push([block]);
  }
  let shift = 0;
  const written = hunks.map((hunk) => {
    const from = Math.max(0, (hunk[0]?.from ?? 0) - CONTEXT_LINES);
    const to = Math.min(old.length, (hunk.at(-1)?.to ?? 0) + CONTEXT_LINES);
    const lines: string[] = [];
    let [at, come, go] = [from, 0, 0];
    for (const block of hunk) {
      lines.push(...old.slice(at, block.from).map((line) => ` ${line}`));
      lines.push(...old.slice(block.from, block.to).map((line) => `-${line}`), ...block.lines.map((line) => `+${line}`));
      at = block.to;
      come += block.lines.length;
      go += block.to - block.from;
    }
    lines.push(...old.slice(at, to).map((line) => ` ${line}`));
    const head = `@@ -${place(from, to - from)} +${place(from + shift, to - from - go + come)} @@\n`;
    shift += come - go;
    return head + lines.map((line) => (line.endsWith("\n") ? line : `${line}\n\\ No newline at end of file\n`)).join("");
  });
  return written.length === 0 ? "" : `--- a/${name}\n+++ b/${name}\n${written.join("")}`;
}

function place(from: number, count: number): string {
  return `${count === 0 ? from : from + 1},${count}`;
}

/** With their newlines. */
function linesOf(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\n)/);
}

/** Returns the differing blocks, line by line: edits that touch the same lines are one block. */
function blocksOf(old: readonly string[], edits: readonly Edit[]): Block[] {
  const starts: number[] = [];
  let length = 0;
  for (const line of old) {
    starts.push(length);
    length += line.length;
  }
  // A text without lines has none that an edit could touch.
  const lineAt = (offset: number): number =>
    Math.max(
      0,
      starts.findLastIndex((start) => start <= offset),
    );
  const touched: { from: number; to: number; edits: Edit[] }[] = [];
  for (const edit of [...edits].sort((a, b) => a.from - b.from)) {
    const from = lineAt(edit.from);
    // What ends where a line begins doesn't touch that line.
    const to = Math.min(old.length, Math.max(from, lineAt(Math.max(edit.from, edit.to - 1))) + 1);
    const last = touched.at(-1);
    if (last !== undefined && from < last.to) [last.to, last.edits] = [Math.max(last.to, to), [...last.edits, edit]];
    else touched.push({ from, to, edits: [edit] });
  }
  return touched.flatMap((part) => {
    const start = starts[part.from] ?? 0;
    const before = old.slice(part.from, part.to);
    const moved = part.edits.map((edit) => ({ ...edit, from: edit.from - start, to: edit.to - start }));
    const after = linesOf(applied(before.join(""), moved));
    let same = 0;
    while (same < before.length && same < after.length && before[same] === after[same]) same++;
    let end = 0;
    while (end < before.length - same && end < after.length - same && before.at(-1 - end) === after.at(-1 - end)) end++;
    const block = { from: part.from + same, to: part.to - end, lines: after.slice(same, after.length - end) };
    return block.from === block.to && block.lines.length === 0 ? [] : [block];
  });
}
