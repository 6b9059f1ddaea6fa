/** Output of commands: results on stdout, everything about them on stderr, colours only where a person looks. */
import { BundleError } from "../bundle/errors.js";
import { OpaUnavailable } from "../bundle/opa.js";
import { placeOf, SourceErrors, summarised, type SourceNote } from "../bundle/source.js";
import { Problem } from "../contract/index.js";
import { KeyRefused } from "../identity/keys.js";
import { LockUnsafe, LockUnwritable, Locked } from "../system/lock_errors.js";
import { YamlError } from "../system/yaml.js";
import { CliError, type Exit } from "./exit.js";

const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;
export type Style = keyof typeof STYLES;

export interface Ui {
  /** Lines of the result. */
  out(text: string): void;
  /** Lines about it: progress, warnings, errors. */
  err(text: string): void;
  paint(style: Style, text: string): string;
}

interface Stream {
  isTTY?: boolean;
  write(text: string): unknown;
}

/** @param env `NO_COLOR`, when set to anything, turns colours off (no-color.org) */
export function terminal(stdout: Stream, stderr: Stream, env: NodeJS.ProcessEnv): Ui {
  const colours = stdout.isTTY === true && stderr.isTTY === true && (env["NO_COLOR"] ?? "") === "";
  return {
    out: (text) => {
      stdout.write(`${harmless(text, colours)}\n`);
    },
    err: (text) => {
      stderr.write(`${harmless(text, colours)}\n`);
    },
    paint: (style, text) => (colours ? `\x1b[${STYLES[style][0]}m${text}\x1b[${STYLES[style][1]}m` : text),
  };
}

const OWN_STYLES = new Set(Object.values(STYLES).flatMap((codes) => codes.map((code) => `\x1b[${code}m`)));
const STEERING = /\x1b\[\d+m|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text from bundles, tables and services is somebody else's: what could move a cursor, hide words or repaint a screen is
 * shown as U+FFFD. Line breaks, tabs and the styles that `paint` writes stay; a styled word of theirs is only coloured.
 */
function harmless(text: string, colours: boolean): string {
  return text.replaceAll(STEERING, (found) => {
    if (found === "\n" || found === "\t" || (colours && OWN_STYLES.has(found))) return found;
    return found.length > 1 ? "\u{fffd}" + found.slice(1) : "\u{fffd}";
  });
}

export function sayJson(ui: Ui, value: unknown): void {
  ui.out(JSON.stringify(value, null, 2));
}

export function sayError(ui: Ui, message: string, hint: string | null = null): void {
  ui.err(`${ui.paint("red", "error:")} ${message}`);
  if (hint !== null) ui.err(`${ui.paint("cyan", "hint:")} ${hint}`);
}

/** Errors, warnings and remarks about sources, each with its place. */
export function sayNotes(ui: Ui, notes: readonly SourceNote[]): void {
  for (const note of notes) {
    const style = note.severity === "error" ? "red" : note.severity === "warning" ? "yellow" : "dim";
    ui.err(`${ui.paint(style, `${note.severity}:`)} ${placeOf(note)}: ${note.message}`);
    if (note.hint !== null) ui.err(`${ui.paint("cyan", "hint:")} ${note.hint}`);
  }
}

/** Says what went wrong, as text or (`json`) as one object, and which exit code that is. */
export function sayFailure(ui: Ui, error: unknown, json: boolean): Exit {
  const { exit, code, message, hint, notes } = describe(error);
  if (json) sayJson(ui, { ok: false, error: { code, message, hint }, ...(notes.length > 0 && { notes }) });
  else {
    sayNotes(ui, notes);
    sayError(ui, message, hint);
  }
  return exit;
}

interface Failure {
  exit: Exit;
  code: string;
  message: string;
  hint: string | null;
  notes: SourceNote[];
}

function describe(error: unknown): Failure {
  const failure = { hint: null, notes: [] };
  if (error instanceof CliError) {
    return { ...failure, exit: error.exit, code: error.code, message: error.message, hint: error.hint };
  }
  if (error instanceof SourceErrors) {
    const errors = error.notes.filter(({ severity }) => severity === "error").length;
    const message = errors === 1 ? "1 error in the sources" : `${errors} errors in the sources`;
    return { ...failure, exit: "invalid", code: "sources_invalid", message, notes: summarised(error.notes) };
  }
  if (error instanceof BundleError) return { ...failure, exit: "invalid", code: error.code, message: error.message };
  if (error instanceof Problem) {
    const { line, field = "" } = error.detail;
    const at = `${line === undefined ? "" : `line ${line}: `}${field === "" ? "" : `${field}: `}`;
    return { ...failure, exit: "invalid", code: error.code, message: `${at}${error.message}` };
  }
  if (error instanceof YamlError) return { ...failure, exit: "invalid", code: error.code, message: error.message };
  if (error instanceof KeyRefused) return { ...failure, exit: "invalid", code: "key_refused", message: error.message };
  if (error instanceof OpaUnavailable) {
    return { ...failure, exit: "failed", code: "opa_unavailable", message: error.message, hint: error.hint };
  }
  if (error instanceof Locked) {
    const hint = "one service writes a store and its records: stop that one, or name other folders";
    return { ...failure, exit: "failed", code: "locked", message: error.message, hint };
  }
  if (error instanceof LockUnsafe) {
    const hint =
      "name a folder on a disk of this machine in `log.dir` and `facts.store`: ext4, xfs, btrfs, a block device that one node mounts";
    return { ...failure, exit: "failed", code: "lock_unsafe", message: error.message, hint };
  }
  if (error instanceof LockUnwritable && (error.cause as NodeJS.ErrnoException).code === "ENOSPC") {
    const hint = "make room on that disk: a start needs it for its lock, and a service that runs goes on by itself once there is some";
    return { ...failure, exit: "failed", code: "disk_full", message: error.message, hint };
  }
  // By their names: what reads records and facts isn't loaded to say an error.
  if (error instanceof Error && error.name === "LogKeysRefused")
    return { ...failure, exit: "invalid", code: "key_refused", message: error.message };
  if (error instanceof Error && error.name === "ServerValueError") {
    const hint = "put it there, or change `server` in the guard's configuration";
    return { ...failure, exit: "invalid", code: "server_value_unreadable", message: error.message, hint };
  }
  if (error instanceof Error && error.name === "ServerLoginError") {
    const { code, message } = error as Error & { code: string };
    const exit = code === "authorization_unavailable" ? "unavailable" : code === "login_file_unsafe" ? "invalid" : "refused";
    return { ...failure, exit, code, message };
  }
  if (error instanceof Error && error.name === "StoreBehind") {
    const hint = "it isn't the store of these records, or an older one; after a restore `remit facts restore --help` says what to do";
    return { ...failure, exit: "failed", code: "store_behind", message: error.message, hint };
  }
  if (error instanceof Error && error.name === "LogDamaged") {
    const hint =
      "`remit audit verify` says what is wrong with it; put back what is missing, or keep it and name another folder in `log.dir`";
    return { ...failure, exit: "failed", code: "log_damaged", message: error.message, hint };
  }
  if (error instanceof Error) {
    const hint = "code" in error && error.code === "EADDRINUSE" ? "stop that process, or name another port" : null;
    return { ...failure, exit: "failed", code: "failed", message: plain(error), hint };
  }
  return { ...failure, exit: "failed", code: "failed", message: String(error) };
}

/** `ENOENT: no such file or directory, open 'x'` says too much of how and too little of what. */
export function plain(error: Error & { code?: string; path?: string; address?: string; port?: number; hostname?: string }): string {
  const { code = "", path, address, port, hostname } = error;
  const listening: Record<string, string> = {
    EADDRINUSE: "is taken by another process",
    EADDRNOTAVAIL: "is no address of this machine",
    EACCES: "may not be listened on",
  };
  if (address !== undefined && listening[code] !== undefined) return `\`${address}:${port ?? ""}\` ${listening[code]}`;
  if (code === "ENOTFOUND" && hostname !== undefined) return `\`${hostname}\` is no host that is known here`;
  const words: Record<string, string> = {
    ENOENT: "does not exist",
    EACCES: "may not be read or written",
    EISDIR: "is a folder",
    NOT_A_FILE: "is not a regular file",
    EFBIG: "is too large",
    ENOTDIR: "is not a folder",
    EEXIST: "exists already",
  };
  const what = words[code];
  if (what === undefined) return error.message;
  // Of a folder that is read like a file the system names no path.
  if (path === undefined) return code === "EISDIR" ? "what was named as a file is a folder" : error.message;
  return `\`${path}\` ${what}`;
}
