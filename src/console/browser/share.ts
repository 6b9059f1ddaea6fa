/** Ways out of the playground: a link with the text in its fragment, which no server receives, files, and a patch. */
import type { SetFiles } from "./playground_messages.js";

/** Most characters of a fragment that is opened, and of the text in it. */
const FRAGMENT_MAX = 512 * 1024;
const TEXT_MAX = 4 * 1024 * 1024;
/** Files that a set is made of. */
export const SOURCE = /^(?:vocabulary\.yaml|purposes\.yaml|[\w.-]+\.rego|tables\/[\w.-]+\.yaml)$/;
const NAME = /^[a-z][a-z0-9_]{0,63}$/;
const HOLD = "#try=";

export interface SharedSet {
  name: string;
  files: SetFiles;
}

export async function toFragment({ name, files }: SharedSet): Promise<string> {
  const text = new TextEncoder().encode(JSON.stringify({ name, files }));
  const packed = await piped(text, new CompressionStream("deflate-raw"), Infinity);
  let binary = "";
  for (const byte of packed) binary += String.fromCharCode(byte);
  return `${HOLD}${btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/** Reads what a link holds. @returns null if it holds no set: a fragment may be anybody's */
export async function fromFragment(fragment: string): Promise<SharedSet | null> {
  if (!fragment.startsWith(HOLD) || fragment.length > FRAGMENT_MAX) return null;
  try {
    const binary = atob(fragment.slice(HOLD.length).replaceAll("-", "+").replaceAll("_", "/"));
    const packed = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await piped(packed, new DecompressionStream("deflate-raw"), TEXT_MAX));
    return setOf(JSON.parse(text));
  } catch {
    return null;
  }
}

function setOf(value: unknown): SharedSet | null {
  if (typeof value !== "object" || value === null) return null;
  const { name, files } = value as Partial<Record<keyof SharedSet, unknown>>;
  if (typeof name !== "string" || !NAME.test(name) || typeof files !== "object" || files === null) return null;
  const entries = Object.entries(files);
  const fit = entries.every((entry): entry is [string, string] => SOURCE.test(entry[0]) && typeof entry[1] === "string");
  return fit && entries.length > 0 ? { name, files: Object.fromEntries<string>(entries) } : null;
}

async function piped(bytes: Uint8Array, through: CompressionStream | DecompressionStream, max: number): Promise<Uint8Array> {
  const piped: ReadableStream<Uint8Array<ArrayBuffer>> = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(through);
  const reader = piped.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    length += read.value.length;
    if (length > max) throw new RangeError(`more than ${max} bytes`);
    chunks.push(read.value);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Returns what changed since the set was opened, as `git apply` takes it. */
export function patchOf(before: SetFiles, after: SetFiles): string {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names
    .map((name) => {
      const [old, now] = [before[name] ?? "", after[name] ?? ""];
      const patch = old === now ? "" : patchBetween(name, old, now);
      if (before[name] === undefined) return patch.replace(`--- a/${name}`, "--- /dev/null");
      return after[name] === undefined ? patch.replace(`+++ b/${name}`, "+++ /dev/null") : patch;
    })
    .join("");
}

const CONTEXT_LINES = 3;

/** Returns the one stretch of lines in which two texts differ, with what is around it, as a unified diff (POSIX.1-2024, `diff -u`). */
function patchBetween(name: string, old: string, now: string): string {
  const [a, b] = [linesOf(old), linesOf(now)];
  const least = Math.min(a.length, b.length);
  let head = 0;
  while (head < least && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < least - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const from = Math.max(0, head - CONTEXT_LINES);
  const after = Math.min(tail, CONTEXT_LINES);
  const hunk = [
    ...a.slice(from, head).map((line) => ` ${line}`),
    ...a.slice(head, a.length - tail).map((line) => `-${line}`),
    ...b.slice(head, b.length - tail).map((line) => `+${line}`),
    ...a.slice(a.length - tail, a.length - tail + after).map((line) => ` ${line}`),
  ].map((line) => (line.endsWith("\n") ? line : `${line}\n\\ No newline at end of file\n`));
  const range = (lines: string[]): string => {
    const count = lines.length - tail + after - from;
    return `${count === 0 ? from : from + 1},${count}`;
  };
  return `--- a/${name}\n+++ b/${name}\n@@ -${range(a)} +${range(b)} @@\n${hunk.join("")}`;
}

/** With their newlines. */
function linesOf(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\n)/);
}

const BLOCK = 512;

/** Returns the files as a tar archive below a folder of the set's name, which `remit test` takes once it is unpacked. */
export function tarOf({ name, files }: SharedSet): Blob {
  const encoder = new TextEncoder();
  const parts = Object.entries(files).flatMap(([path, text]) => {
    const content = encoder.encode(text);
    const padding = new Uint8Array((BLOCK - (content.length % BLOCK)) % BLOCK);
    return [headerOf(`${name}/${path}`, content.length), content, padding];
  });
  return new Blob([...parts, new Uint8Array(2 * BLOCK)], { type: "application/x-tar" });
}

/** A ustar header (POSIX.1-1988): names here are short and plain. */
function headerOf(path: string, size: number): Uint8Array<ArrayBuffer> {
  const octal = (n: number, digits: number): string => n.toString(8).padStart(digits, "0");
  const fields = (sum: string): string =>
    path.padEnd(100, "\0") +
    `0000644\0${"0000000\0".repeat(2)}${octal(size, 11)}\0${octal(0, 11)}\0${sum}0`.padEnd(157, "\0") +
    "ustar\x0000";
  const bytes = (text: string): Uint8Array<ArrayBuffer> =>
    Uint8Array.from(text.padEnd(BLOCK, "\0"), (character) => character.charCodeAt(0));
  const sum = bytes(fields(" ".repeat(8))).reduce((total, byte) => total + byte, 0);
  return bytes(fields(`${octal(sum, 6)}\0 `));
}
