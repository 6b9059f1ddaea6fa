/** What a recorded tool answered, as it would have come from a server: records where it is YAML or JSON, a text otherwise. */
import { parseDocument } from "yaml";

const LENGTH_MAX = 1_000_000;
/** Lines that a record that was cut off is shortened by. */
const TRIES = 4;

/** @param carried what the attack wants, put into every text where that is measured */
export function answerOf(raw: string, carried = ""): unknown {
  const parts = raw.split(/\n---\n/).map((text) => structured(text) ?? text);
  const answer = parts.length === 1 ? parts[0] : parts;
  return carried === "" ? answer : withWords(answer, carried);
}

/** Undefined where it is no record, whole or cut off at its end. */
function structured(text: string): unknown {
  if (text.length > LENGTH_MAX || !/^\s*(?:- |\[|\{|[A-Za-z_][\w ]*:(?:\s|$))/.test(text)) return undefined;
  for (let lines = text.split("\n"), tries = 0; tries < TRIES && lines.length > 0; tries++, lines = lines.slice(0, -1)) {
    const document = parseDocument(lines.join("\n"), { schema: "failsafe", uniqueKeys: true });
    if (document.errors.length > 0) continue;
    const value: unknown = document.toJS({ maxAliasCount: 0 });
    return typeof value === "object" && value !== null ? value : undefined;
  }
  return undefined;
}

function withWords(value: unknown, words: string): unknown {
  if (typeof value === "string") return /\s/.test(value) ? `${value}\n${words}` : value;
  if (Array.isArray(value)) return (value as unknown[]).map((one) => withWords(one, words));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withWords(one, words)]));
}
