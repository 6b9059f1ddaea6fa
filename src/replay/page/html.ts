/** HTML whose every value is escaped, by construction: what isn't `Html` already is somebody else's text. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = Html | string | number | null | readonly Html[];

/** Makes HTML of a template whose own text is trusted. */
export function html(texts: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(texts.reduce((so_far, text, i) => so_far + shown(parts[i - 1] ?? null) + text));
}

function shown(part: Part): string {
  if (part === null) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "number") return part.toLocaleString("en");
  return typeof part === "string" ? escaped(part) : part.map(({ text }) => text).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes text, and replaces characters that could hide it or change its direction by U+FFFD. */
function escaped(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "\u{fffd}").replaceAll(/[&<>"']/g, (found) => ENTITIES[found] ?? "");
}
