/**
 * Stack traces of built code, mapped to its sources. Node would do so for every error, and reads the map of each module in each thread for it:
 * a seventh of what a test with a service takes.
 */
import { existsSync, readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const FRAME = /((?:file:\/\/)?[^\s()]+\.js):(\d+):(\d+)/g;

const maps = new Map<string, SourceMap | null>();

/** Returns the map of a module; null if it has none. */
function mapOf(module: string): SourceMap | null {
  const known = maps.get(module);
  if (known !== undefined) return known;
  const file = `${module}.map`;
  const map = existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, "utf8")) as SourceMapPayload) : null;
  maps.set(module, map);
  return map;
}

/**
 * Returns the text with each place in a built module as the place in its source; places without a source stay.
 * @param root folder that paths are relative to, before and after
 */
export function mapStack(text: string, root: string): string {
  return text.replaceAll(FRAME, (place, said: string, line: string, column: string) => {
    const module = said.startsWith("file://") ? fileURLToPath(said) : resolve(root, said);
    const entry = mapOf(module)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !("originalSource" in entry)) return place;
    const source = relative(root, resolve(dirname(module), entry.originalSource));
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

/** Maps the stack of an error and those of its causes; an error of another process is an object like one. */
export function mapError(error: unknown, root: string): void {
  const seen = new Set<unknown>();
  for (let one = error; typeof one === "object" && one !== null && !seen.has(one); one = (one as { cause?: unknown }).cause) {
    seen.add(one);
    const thrown = one as { stack?: unknown };
    if (typeof thrown.stack === "string") thrown.stack = mapStack(thrown.stack, root);
  }
}
