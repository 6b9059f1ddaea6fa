import { createHash } from "node:crypto";
import { visible } from "../../contract/unseen.js";

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
  return visible(text).replaceAll(/[&<>"']/g, (found) => ENTITIES[found] ?? "");
}

/**
 * Makes a page that needs nothing else: no script, nothing from elsewhere. Its policy of content lets this one style have an effect.
 * @param style CSS; trusted
 */
export function wholePage(title: string, style: string, body: Html): string {
  const digest = createHash("sha256").update(style).digest("base64");
  const head = html`<meta charset="utf-8" />
    <meta
      http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'"
    />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="referrer" content="no-referrer" />
    <title>${title}</title>`;
  return `<!doctype html>\n<html lang="en">\n<head>\n${head.text}\n<style>${style}</style>\n</head>\n<body>\n${body.text}\n</body>\n</html>\n`;
}
