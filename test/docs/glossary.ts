/** Nouns of the glossary in pages: the first that a page uses without saying what it is links to it. */

const GLOSSARY = "explain/glossary.md";

/** Nouns that a reader can't guess, and the part of the glossary that has each. What is said in passing in any text about access isn't here. */
export const NOUNS: Readonly<Record<string, string>> = {
  principal: "who-acts",
  approver: "who-acts",
  relation: "what-is-asked",
  vocabulary: "what-is-asked",
  "observed action": "what-is-asked",
  obligation: "what-is-answered",
  outcome: "what-is-answered",
  grant: "what-a-decision-rests-on",
  narrowing: "what-a-decision-rests-on",
  suspension: "what-a-decision-rests-on",
  floor: "what-a-decision-rests-on",
  "trusted sequence": "what-a-decision-rests-on",
  fuel: "what-a-decision-rests-on",
  "behaviour profile": "what-is-noticed",
  baseline: "what-is-noticed",
  finding: "what-is-noticed",
  verdict: "what-is-noticed",
  checkpoint: "what-is-kept",
  receipt: "what-is-kept",
  mask: "what-is-kept",
  "enforcement point": "the-parts",
  "embedded engine": "the-parts",
  barrier: "the-parts",
  standby: "the-parts",
  lease: "several-nodes",
  tick: "several-nodes",
  feed: "several-nodes",
};

export interface Use {
  noun: string;
  line: number;
  /** Offsets of the noun in its line. */
  from: number;
  to: number;
  isLinked: boolean;
}

/** Returns the first use of each noun in a page's prose, unless the page says itself what it is: in its title, or in bold. */
export function firstUses(page: string): Use[] {
  const lines = page.split("\n");
  const title = lines.find((line) => line.startsWith("# ")) ?? "";
  const uses: Use[] = [];
  for (const noun of Object.keys(NOUNS)) {
    const word = new RegExp(`\\b${noun}s?\\b`, "i");
    if (word.test(title) || new RegExp(`\\*\\*[^*]*\\b${noun}s?\\b[^*]*\\*\\*`, "i").test(page)) continue;
    const use = prose(lines).find(({ text }) => word.test(text));
    const found = word.exec(use?.text ?? "");
    if (use === undefined || found === null) continue;
    const [from, to] = [found.index, found.index + found[0].length];
    uses.push({ noun, line: use.line, from, to, isLinked: isInLink(lines[use.line] ?? "", from) });
  }
  return uses;
}

/** Returns the page with links to the glossary at first uses that have no link yet. */
export function withLinks(page: string): string {
  const lines = page.split("\n");
  for (const { noun, line, from, to } of firstUses(page)
    .filter(({ isLinked }) => !isLinked)
    .sort((a, b) => b.from - a.from)) {
    const text = lines[line] ?? "";
    lines[line] = `${text.slice(0, from)}[${text.slice(from, to)}](${GLOSSARY}#${NOUNS[noun] ?? ""})${text.slice(to)}`;
  }
  return lines.join("\n");
}

/** Returns lines of sentences and lists, in which code and addresses are blanks of the same length. */
function prose(lines: readonly string[]): { line: number; text: string }[] {
  let isCode = false;
  return lines.flatMap((text, line) => {
    if (/^\s*```/.test(text)) isCode = !isCode;
    if (isCode || /^\s*(?:```|\||#|<|!\[)/.test(text)) return [];
    const blank = (found: string): string => " ".repeat(found.length);
    return [{ line, text: text.replace(/`[^`]*`/g, blank).replace(/\]\([^)]*\)/g, blank) }];
  });
}

function isInLink(text: string, at: number): boolean {
  return [...text.matchAll(/\[[^\]]*\]\([^)]*\)/g)].some(({ index, 0: link }) => index <= at && at < index + link.length);
}
