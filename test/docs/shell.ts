/** Commands of a block as a shell reads them, as far as the documents go: words, quotes, comments, pipes and redirections. */
import type { Block } from "./blocks.js";

const BETWEEN = new Set(["|", ";", "&&", "||", "&", "(", ")"]);
const WORD = /\\\n|[ \t]+|#[^\n]*|\n|&&|\|\||[|;&()]|\d?>>?|<|(?:"(?:[^"\\]|\\[^])*"|'[^']*'|\\[^\n]|[^\s"'|;&()<>\\])+/gy;

/** Each command's words. Of a session (`console`) only what is typed counts. */
export function commandsIn({ language, text }: Pick<Block, "language" | "text">): string[][] {
  const commands: string[][] = [];
  let words: string[] = [];
  let redirected = false;
  const end = (): void => {
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (const [token] of typed(language, text).matchAll(WORD)) {
    if (token === "\n" || BETWEEN.has(token)) end();
    else if (/^\d?>>?$|^<$/.test(token)) redirected = true;
    else if (/^(?:\\\n|[ \t]+|#)/.test(token)) continue;
    else if (redirected) redirected = false;
    else words.push(token.replaceAll(/"((?:[^"\\]|\\[^])*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ""));
  }
  end();
  return commands;
}

function typed(language: string, text: string): string {
  if (language !== "console") return text;
  const lines: string[] = [];
  let goesOn = false;
  for (const line of text.split("\n")) {
    const begins = line.startsWith("$ ");
    if (begins || goesOn) lines.push(begins ? line.slice(2) : line);
    goesOn = (begins || goesOn) && (line.endsWith("\\") || openQuote(lines.join("\n")));
  }
  return lines.join("\n");
}

/** Whether a single quote is still open, as in a body of JSON over several lines. */
function openQuote(text: string): boolean {
  return (text.replaceAll(/"[^"'\n]*"/g, "").match(/'/g)?.length ?? 0) % 2 === 1;
}
