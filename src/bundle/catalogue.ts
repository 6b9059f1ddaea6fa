/** The catalogue of a bundle: what each of its codes means, by the purposes' entries and the rules' METADATA. */
import { BUILTIN_REASONS, FLAG_TOLD, type Catalogue, type CatalogueEntry, type Effect } from "../contract/index.js";
import type { RuleReason } from "./conventions.js";
import type { SourceNote } from "./source.js";

/** Sentences for agents where an author wrote none. */
export const TELL_AGENT: Readonly<Record<Effect, string>> = {
  allow: "",
  log: "",
  flag: FLAG_TOLD.unsaid,
  deny: "You are not permitted to do this.",
};

/**
 * One catalogue of both, sorted by code. A code names one thing: a rule may not take one that an entry, or the library
 * itself, gives already.
 */
export function buildCatalogue(entries: Catalogue, rules: RuleReason[]): { catalogue: Catalogue; notes: SourceNote[] } {
  const found = new Map<string, CatalogueEntry>(Object.entries(entries));
  const notes: SourceNote[] = [];
  for (const { code, effect, severity, title, message, tellAgent, purpose, file, line } of rules) {
    const taken = found.get(code)?.sources.join(", ") ?? (BUILTIN_REASONS.has(code) ? "the service itself" : null);
    if (taken !== null) {
      const hint = "a code names one thing; choose another";
      notes.push({ severity: "error", file, line, message: `code \`${code}\` is given by ${taken} too`, hint });
    }
    found.set(code, {
      effect,
      severity,
      title,
      message,
      tell_agent: tellAgent ?? TELL_AGENT[effect],
      purposes: [purpose],
      sources: [`${file}:${line}`],
    });
  }
  return { catalogue: Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1))), notes };
}
