/** Writes docs/reference/log-events.md from the events themselves: `node dist/scripts/log_events.js`. A test holds the file equal to what this makes. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { CONSOLE_EVENTS } from "../src/console/log_events.js";
import { ENGINE_EVENTS } from "../src/embedded/log_events.js";
import { GUARD_EVENTS } from "../src/guards/mcp/log_events.js";
import { LOG_EVENTS, type LogEvent } from "../src/system/log_events.js";
import { asset } from "../src/system/paths.js";

const PAGE = asset("docs", "reference", "log-events.md");

const PROGRAMS: [title: string, about: string, events: Readonly<Record<string, LogEvent>>][] = [
  ["The service", "Lines of `remit serve`, and of an engine in an application where both do the same.", LOG_EVENTS],
  ["The MCP guard", "Lines of `remit guard mcp`. One that decides by itself writes those of an engine, too.", GUARD_EVENTS],
  ["The engine in an application", "What its option `report` is called with.", ENGINE_EVENTS],
  ["The console", "Lines of `remit console`.", CONSOLE_EVENTS],
];

export function logEventsText(): string {
  const sections = PROGRAMS.map(([title, about, events]) => `## ${title}\n\n${about}\n\n${entriesOf(events)}`);
  return `# When the log says…

Each program writes its operational log to standard error, one JSON object a line: \`time\`, \`level\`, \`event\`, \`message\`, and fields.
An \`event\` keeps its name for good; search this page for it.
Messages may be worded better one day, so match \`event\` in alerts and scripts.

${sections.join("\n")}`;
}

function entriesOf(events: Readonly<Record<string, LogEvent>>): string {
  const entries = Object.entries(events).map(
    ([name, { level, message, means, act }]) => `### ${name}

\`${level}\` — “${message}”

${means}
${act === null ? "" : `\n**What to do.** ${act}\n`}`,
  );
  return entries.join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  mkdirSync(dirname(PAGE), { recursive: true });
  writeFileSync(PAGE, logEventsText());
}
