/**
 * Writes docs/reference/records-table.md from the columns themselves: `node dist/scripts/records_table.js`. A test holds the file equal to
 * what this makes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { RECORD_COLUMNS, SCHEMA_VERSION } from "../src/records/schema.js";
import { asset } from "../src/system/paths.js";

const PAGE = asset("docs", "reference", "records-table.md");

export function recordsTableText(): string {
  const rows = RECORD_COLUMNS.map(({ name, type, says }) => `| \`${name}\` | \`${type}\` | ${says} |`);
  return `# The table of records

Version ${SCHEMA_VERSION}.
Each sealed segment of a log has its records as one Parquet file, \`log.dir/records/parquet/<first record>.parquet\`, in order of \`seq\` and compressed by zstd.

- The metadata of a file's footer has \`remit_schema\`, \`remit_first\`, \`remit_end\` (the first record of the next segment), \`remit_segment\`,
  \`remit_segment_bytes\` and \`remit_segment_tail\` (SHA-256 of the segment's last 4,096 bytes).
- The version goes up when a column is added, dropped or made from something else; files of another version are made again.
- A value is null if the record doesn't have it. Masked values are masked here too.
- The Parquet files end where the last sealed segment ends; \`remit audit sql\` reads the open segment as well.
- What was reported later of an action is a record of its own, of kind \`outcome\`, with the \`decision_id\` of the decision. \`remit audit sql\` joins it as \`outcome\` and \`outcome_at\`.

<!-- prettier-ignore -->
| column | type | meaning |
| --- | --- | --- |
${rows.join("\n")}
`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  mkdirSync(dirname(PAGE), { recursive: true });
  writeFileSync(PAGE, recordsTableText());
}
