import { importFacts } from "../../src/facts/import.js";
import { type ImportFile } from "../../src/facts/import_file.js";
import type { Commands } from "../../src/facts/commands.js";
import type { ImportAnswer } from "../../src/contract/index.js";

export const agent = (id: string, changes: object = {}): Record<string, object> => ({
  agent: { id, owner: "ops", purposes: ["support"], ...changes },
});
export const run = (facts: Commands, file: ImportFile, id = "I-1", dryRun = false): Promise<ImportAnswer> =>
  importFacts(facts, file, { id, dryRun, by: "ops", reason: "moving" });
