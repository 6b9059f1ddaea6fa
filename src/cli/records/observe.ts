/** `remit observe`: reports what agents did without having asked, from a file or as it is written. */
import { createReadStream } from "node:fs";
import type { Command } from "commander";
import type { ObservedAnswer } from "../../contract/index.js";
import { Client, asking, type ServiceFlags } from "../client.js";
import { CliError, type Exit } from "../exit.js";
import { readable } from "../places.js";
import { sayError, sayJson, type Ui } from "../ui.js";
import { count } from "../values.js";

interface Options extends ServiceFlags {
  from: number;
}

/** One request takes no more, so that its answer comes soon; what comes slowly is sent as it comes. */
const BLOCK_BYTES = 1024 * 1024;
const ANSWER_MS_MAX = 600_000;
const PROGRESS_LINES = 100_000;
const SHOWN_MAX = 100;
const NEWLINE = 0x0a;

const EXAMPLES = `  $ remit observe actions.jsonl
  $ agent --log-actions | remit observe

A line is an action as \`POST /decide\` takes it, and \`at\`, when it happened:
  {"agent":"support-7","purpose":"customer_support","task":"T-1","verb":"read",
   "resource":{"type":"ticket","id":"TCK-1"},"at":"2026-03-03T09:15:00Z"}`;

export function addObserve(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  asking(
    program
      .command("observe")
      .description("report what agents did without having asked: judged, recorded, and never permitted")
      .argument("[file]", "JSON lines; - or nothing for standard input", "-")
      .option("--from <line>", "leave out the lines before this one: they were taken", count, 1),
    EXAMPLES,
  ).action(async (file: string, options: Options) => {
    const client = new Client(options);
    const summary = new Summary(options.from);
    const source = file === "-" ? process.stdin : createReadStream(readable(file), { highWaterMark: BLOCK_BYTES });
    const send = async ({ bytes: content, lines }: Block): Promise<void> => {
      const asked = { bytes: { type: "application/x-ndjson", content }, ms: ANSWER_MS_MAX };
      summary.add(await client.ask<ObservedAnswer>("POST", "/observe", asked), lines);
    };
    let isEmpty = true;
    try {
      for await (const block of blocks(source, options.from)) {
        isEmpty = false;
        await send(block);
        if (summary.stopped !== null) break;
        if (summary.lines >= summary.told + PROGRESS_LINES) {
          summary.told = summary.lines;
          ui.err(`${summary.lines} lines sent`);
        }
      }
      // A sensor with nothing to tell is heard all the same.
      if (isEmpty) await send({ bytes: Buffer.alloc(0), lines: 0 });
    } catch (cause) {
      // What was taken before stays taken.
      if (!(cause instanceof CliError) || summary.lines === 0) throw cause;
      summary.stopped = { line: summary.next, code: cause.code };
      if (options.json !== true) sayError(ui, cause.message);
      say(ui, summary, options.json === true);
      finish(cause.exit);
      return;
    }
    say(ui, summary, options.json === true);
    if (summary.stopped !== null) finish("unavailable");
    else if (summary.refused.length > 0) finish("invalid");
  });
}

/** Totals of all requests; lines are numbered as in the file. */
class Summary {
  accepted = 0;
  not_permitted = 0;
  flagged = 0;
  refused: ObservedAnswer["refused"] = [];
  recorded_to: number | undefined;
  stopped: { line: number; code: string } | null = null;
  /** That were sent and answered. */
  lines = 0;
  told = 0;
  readonly #from: number;

  constructor(from: number) {
    this.#from = from;
  }

  /** The line to go on with. */
  get next(): number {
    return this.stopped?.line ?? this.#from + this.lines;
  }

  add(answer: ObservedAnswer, lines: number): void {
    const before = this.#from - 1 + this.lines;
    this.accepted += answer.accepted;
    this.not_permitted += answer.not_permitted;
    this.flagged += answer.flagged;
    for (const refused of answer.refused) this.refused.push({ ...refused, line: before + refused.line });
    this.recorded_to = answer.recorded_to ?? this.recorded_to;
    if (answer.stopped !== null) this.stopped = { ...answer.stopped, line: before + answer.stopped.line };
    this.lines += lines;
  }
}

function say(ui: Ui, summary: Summary, json: boolean): void {
  const { accepted, not_permitted, flagged, refused, recorded_to, stopped } = summary;
  if (json) {
    const ok = stopped === null && refused.length === 0;
    sayJson(ui, { ok, accepted, not_permitted, flagged, refused, ...(recorded_to !== undefined && { recorded_to }), stopped });
    return;
  }
  const upTo = recorded_to === undefined ? "" : `, up to record ${recorded_to}`;
  ui.out(`${accepted} on record${upTo}; ${not_permitted} would have been denied, ${flagged} flagged`);
  for (const { line, code, field, expected } of refused.slice(0, SHOWN_MAX)) {
    const details = [field && `at ${field}`, expected && `expected ${expected}`].filter(Boolean);
    ui.err(`${ui.paint("yellow", "refused:")} ${[`line ${line}: ${code}`, ...details].join(", ")}`);
  }
  if (refused.length > SHOWN_MAX) ui.err(`${refused.length - SHOWN_MAX} more lines are refused; --json names them`);
  if (stopped !== null) {
    ui.err(`${ui.paint("red", "stopped:")} nothing from line ${stopped.line} on was taken: ${stopped.code}`);
    ui.err(`${ui.paint("cyan", "hint:")} \`--from ${stopped.line}\` goes on`);
  }
}

interface Block {
  bytes: Buffer;
  lines: number;
}

/** Whole lines, as many as are there. */
async function* blocks(source: AsyncIterable<unknown>, from: number): AsyncGenerator<Block> {
  let kept: Buffer = Buffer.alloc(0);
  let skip = from - 1;
  for await (const chunk of source) {
    let bytes = Buffer.concat([kept, chunk as Buffer]);
    while (skip > 0) {
      const newline = bytes.indexOf(NEWLINE);
      if (newline < 0) break;
      bytes = bytes.subarray(newline + 1);
      skip--;
    }
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    kept = bytes.subarray(end);
    if (kept.length > BLOCK_BYTES) throw new CliError("invalid", `a line is longer than ${BLOCK_BYTES} bytes`);
    if (skip === 0 && end > 0) yield { bytes: bytes.subarray(0, end), lines: linesIn(bytes.subarray(0, end)) };
  }
  if (skip === 0 && kept.length > 0) yield { bytes: kept, lines: 1 };
}

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
