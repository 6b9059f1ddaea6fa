/** Writes docs/reference/log-events.md from the events themselves: `node dist/scripts/log_events.js`. A test holds the file equal to what this makes. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { LOG_EVENTS, type LogEvent } from "../src/system/log_events.js";
import { asset } from "../src/system/paths.js";

const PAGE = asset("docs", "reference", "log-events.md");

export function logEventsText(): string {
  const entries = Object.entries<LogEvent>(LOG_EVENTS).map(
    ([name, { level, message, means, act }]) => `## ${name}

\`${level}\` — “${message}”

${means}
${act === null ? "" : `\n**What to do.** ${act}\n`}`,
  );
  return `# When the log says…

A service writes its operational log to standard error, one JSON object a line: \`time\`, \`level\`, \`event\`, \`message\`, and fields.
An \`event\` keeps its name for good; search this page for it.
Messages may be worded better one day, so match \`event\` in alerts and scripts.

${entries.join("\n")}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  mkdirSync(dirname(PAGE), { recursive: true });
  writeFileSync(PAGE, logEventsText());
}
