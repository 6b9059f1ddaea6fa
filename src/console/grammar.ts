/** One grammar: the address of a page, the query of the service's API and the line of `remit` say the same. */

/** Parameters of records, as pages, `GET /decisions` and `remit audit query` name them. */
export const RECORD_PARAMETERS = [
  ...["kind", "caller", "agent", "purpose", "task", "principal", "owner", "verb", "type", "resource", "resource_prefix", "decision"],
  ...["reason", "severity", "bundle", "proceed", "finding", "outcome", "key", "about", "from", "to"],
] as const;

/** Parameters that the command line takes one value at a time, and those that it answers with yes or no. */
const LISTS: ReadonlySet<string> = new Set(["kind", "decision", "outcome"]);
const FLAGS: ReadonlySet<string> = new Set(["proceed", "finding"]);

/** Returns the parameters of an address that records are searched by, in the order of the grammar. */
export function recordQuery(search: string): URLSearchParams {
  const given = new URLSearchParams(search);
  const kept = new URLSearchParams();
  for (const name of RECORD_PARAMETERS) {
    const value = given.get(name);
    if (value !== null && value !== "") kept.set(name, value);
  }
  return kept;
}

/** Returns the line that finds the same records. */
export function queryLine(query: URLSearchParams): string {
  return ["remit audit query", ...[...query].map(([name, value]) => optionOf(name, value))].join(" ");
}

function optionOf(name: string, value: string): string {
  if (LISTS.has(name))
    return value
      .split(",")
      .map((one) => `--${name} ${quoted(one)}`)
      .join(" ");
  if (FLAGS.has(name)) return `--${name} ${value === "true" ? "yes" : "no"}`;
  return `--${name === "resource_prefix" ? "prefix" : name} ${quoted(value)}`;
}

/** Returns a text as one word of a POSIX shell, whatever is in it. */
export function quoted(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Returns the page that an identifier leads to, by its form; null if it has none that is known. */
export function placeOf(text: string): string | null {
  const given = text.trim();
  const [, kind = "", id = ""] = /^(agent|task|finding|record)\/(.+)$/.exec(given) ?? [];
  if (kind !== "") return `/${kind}s/${encodeURIComponent(id)}`;
  if (/^F-[0-9a-f-]{36}/.test(given)) return `/findings/${encodeURIComponent(given)}`;
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(given) || /^\d{1,15}$/.test(given)) return `/records/${given}`;
  if (/^sha256:[0-9a-f]{64}$/.test(given)) return `/records?bundle=${given}`;
  return null;
}
