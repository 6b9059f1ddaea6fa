/** `remit audit export`: records in the forms that other systems read, from the files alone. */
import { createWriteStream, existsSync, statSync, type WriteStream } from "node:fs";
import { once } from "node:events";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { encode } from "../../../audit/export/formats.js";
import { RECORD_KINDS, RecordSource, writerAt, type SourceLine } from "../../../audit/export/source.js";
import { LineTooLong, segmentsOf, type Line } from "../../../audit/log/record_lines.js";
import { EXPORT_DATA, EXPORT_FORMATS, type ExportData, type ExportFormat } from "../../../contract/export.js";
import type { LogRecord } from "../../../contract/index.js";
import type { RangeBound } from "../../../replay/records.js";
import { errorMessage } from "../../../system/error_message.js";
import { systemClock } from "../../../system/index.js";
import { bound } from "../bound.js";
import { CliError, type Exit } from "../../exit.js";
import { writable } from "../../places.js";
import { sayError, type Ui } from "../../ui.js";

const PROGRESS_MS = 1000;
const PROGRESS_EVERY = 256;
const CHUNK_BYTES = 64 * 1024;
const UNREADABLE_SHOWN = 10;
const NEWLINE = Buffer.from("\n");

interface ExportOptions {
  format: ExportFormat;
  data: ExportData;
  from?: RangeBound;
  to?: RangeBound;
  kind?: LogRecord["kind"][];
  out?: string;
}

export function addExport(audit: Command, ui: Ui, finish: (exit: Exit) => void): void {
  audit
    .command("export")
    .description("say records in a form that other systems read, one event a line; the service may be running")
    .argument("<folder>", "the records' folder (`log.dir` in remit.yaml)")
    .addOption(new Option("--format <format>", "which form").choices([...EXPORT_FORMATS]).makeOptionMandatory())
    .addOption(
      new Option("--data <what>", "of cloudevents, json_array, splunk_hec, syslog: the record, or its OCSF event")
        .choices([...EXPORT_DATA])
        .default("record"),
    )
    .option("--from <bound>", "only from this record's number or time on: RFC 3339, a date, or how long ago (8h, 2d)", bound)
    .option("--to <bound>", "only up to this one, and with it", bound)
    .addOption(new Option("--kind <kind...>", "only these kinds").choices([...RECORD_KINDS]))
    .option("--out <file>", "where to, whole or not at all (default: standard output)")
    .addHelpText(
      "after",
      `
Examples:
  $ remit audit export /var/lib/remit/log --format ocsf --from 2026-11-25T00:00:00Z | gzip > day.ocsf.jsonl.gz
  $ remit audit export /var/lib/remit/log --format cloudevents --data ocsf --kind decision observed
  $ remit audit export /var/lib/remit/log --format json_lines --from 4711 --to 4711`,
    )
    .action(async (folder: string, options: ExportOptions) => {
      const found = await exportTo(folder, options, ui);
      ui.err(`${ui.paint("green", "exported")}  ${found.events} of ${found.records} records`);
      if (found.unreadable > 0) finish("invalid");
    });
}

interface ExportCounts {
  /** Within the bounds, and of the kinds. */
  records: number;
  events: number;
  unreadable: number;
}

async function exportTo(folder: string, options: ExportOptions, ui: Ui): Promise<ExportCounts> {
  if (!existsSync(folder) || segmentsOf(folder).length === 0)
    throw new CliError("invalid", `there are no records in \`${folder}\``, "it is the folder that `log.dir` names in remit.yaml");
  if (options.out === undefined) {
    const out = process.stdout.isTTY ? sayingTo(ui) : writingTo(process.stdout);
    const found = await exportInto(out, folder, options, ui);
    await out.end();
    return found;
  }
  const partial = `${writable(options.out)}.${process.pid}.partial`;
  try {
    const file = createWriteStream(partial, { mode: 0o600 });
    const out = writingTo(file);
    const found = await exportInto(out, folder, options, ui);
    await out.end();
    await closed(file);
    await rename(partial, options.out);
    return found;
  } finally {
    await rm(partial, { force: true });
  }
}

interface Out {
  line(bytes: Buffer): Promise<void> | undefined;
  end(): Promise<void>;
}

/** To a person: with what could steer a terminal taken out. */
function sayingTo(ui: Ui): Out {
  return {
    line(bytes) {
      ui.out(bytes.toString());
      return undefined;
    },
    end: () => Promise.resolve(),
  };
}

/** To the byte, and no faster than it is taken. */
function writingTo(stream: NodeJS.WritableStream): Out {
  let failed: Error | null = null;
  stream.on("error", (cause: Error) => (failed = cause));
  let chunks: Buffer[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const chunk = Buffer.concat(chunks);
    chunks = [];
    bytes = 0;
    if (failed !== null) throw failed;
    if (!stream.write(chunk)) await once(stream, "drain");
  };
  return {
    line(event) {
      chunks.push(event, NEWLINE);
      bytes += event.length + NEWLINE.length;
      return bytes >= CHUNK_BYTES ? flush() : undefined;
    },
    end: flush,
  };
}

async function closed(file: WriteStream): Promise<void> {
  file.end();
  await once(file, "close");
}

async function exportInto(out: Out, folder: string, options: ExportOptions, ui: Ui): Promise<ExportCounts> {
  const { from, to } = options;
  const found: ExportCounts = { records: 0, events: 0, unreadable: 0 };
  const begin = from !== undefined && "seq" in from ? from.seq - 1 : 0;
  const source = new RecordSource(folder, writerAt(folder, begin), {
    besideMissing(seq) {
      ui.err(`${ui.paint("yellow", "warning:")} what stood beside record ${seq} isn't there; it is exported without`);
    },
  });
  const wants = wanting(options);
  const progress = progressOf(folder, ui);
  const damage = (message: string): void => {
    if (++found.unreadable <= UNREADABLE_SHOWN) sayError(ui, message);
  };
  const unreadable = (which: string, cause: unknown): void => {
    damage(`${which} can't be read: ${errorMessage(cause)}`);
  };
  const last = to !== undefined && "seq" in to ? to.seq : Infinity;
  const segments = segmentsOf(folder);
  const kept = segments[0]?.first ?? 1;
  let expected = begin + 1;
  if (expected < kept) {
    // Retention takes the log's beginning; whether it did is `remit audit verify`'s to say.
    ui.err(`${ui.paint("yellow", "warning:")} ${recordsText(expected, kept - 1)} not there`);
    expected = kept;
  }
  const reach = (seq: number): void => {
    if (seq > expected) damage(`${recordsText(expected, seq - 1)} not there; \`remit audit verify\` says what is wrong`);
    expected = Math.max(expected, seq);
  };
  const passed = (line: Line, cause: Error): void => {
    if (expected > last) return;
    // Behind lines that are missing or too many, which record it was can't be told by its place.
    const isInPlace = line.seq === expected;
    unreadable(isInPlace ? recordAt(line) : placeOf(line), cause);
    if (isInPlace) expected++;
  };
  try {
    for (const line of source.numbered(begin + 1, passed)) {
      // One behind those that are wanted says that all of them were there.
      reach(Math.min(line.seq, last + 1));
      if (line.seq > last) break;
      expected = line.seq + 1;
      progress(line);
      let event: Buffer | null;
      try {
        if (wants !== null && !wants(line.read().record)) continue;
        found.records++;
        event = encode(line.bytes, line.read, options);
      } catch (cause) {
        unreadable(recordAt(line), cause);
        continue;
      }
      if (event === null) continue;
      found.events++;
      await out.line(event);
    }
    reach(Math.min(last + 1, segments.at(-1)?.first ?? 1));
  } catch (cause) {
    if (!(cause instanceof LineTooLong)) throw cause;
    throw new CliError("invalid", cause.message, "the log is damaged", { cause });
  } finally {
    source.close();
  }
  return found;
}

function placeOf({ segment, offset }: Line): string {
  return `${segment} at byte ${offset}`;
}

function recordAt(line: Line): string {
  return `record ${line.seq} (${placeOf(line)})`;
}

function recordsText(from: number, to: number): string {
  return from === to ? `record ${from} is` : `records ${from} to ${to} are`;
}

/** Null where every record is wanted, so that none has to be read for it. */
function wanting({ from, to, kind }: ExportOptions): ((record: LogRecord) => boolean) | null {
  const fromMs = from !== undefined && "ms" in from ? from.ms : -Infinity;
  const toMs = to !== undefined && "ms" in to ? to.ms : Infinity;
  if (kind === undefined && fromMs === -Infinity && toMs === Infinity) return null;
  const kinds: ReadonlySet<string> = new Set(kind ?? RECORD_KINDS);
  return (record) => {
    const ms = Date.parse(record.time);
    return kinds.has(record.kind) && ms >= fromMs && ms <= toMs;
  };
}

/** Says now and then how much of the segments has been read. */
function progressOf(folder: string, ui: Ui): (line: SourceLine) => void {
  const before = new Map<string, number>();
  let total = 0;
  for (const { name } of segmentsOf(folder)) {
    before.set(name, total);
    total += statSync(join(folder, name)).size;
  }
  let lines = 0;
  let said = systemClock.monotonic();
  return ({ seq, segment, offset }) => {
    if (++lines % PROGRESS_EVERY !== 0) return;
    const now = systemClock.monotonic();
    if (now - said < PROGRESS_MS) return;
    said = now;
    ui.err(`record ${seq}, ${Math.floor((100 * ((before.get(segment) ?? 0) + offset)) / total)} %`);
  };
}
