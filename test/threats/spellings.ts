/** Names that are denied, as somebody would spell them so that they pass; and how others would read them. */
import { posix } from "node:path";

const DENIED = ["secret/plans.txt", "secret", "etc/passwd", "secret/keys/root.pem"];

/** Denied names as someone would spell them behind a part that is permitted. */
export function paths(): string[] {
  const slashes = [
    "/",
    "//",
    "\\",
    "%2f",
    "%2F",
    "%5c",
    "/./",
    "\uff0f",
    "\uff3c",
    "\u2215",
    "\u2044",
    "/\u0000",
    "/\n",
    "/\r\n",
    "/ ",
    " /",
    "./",
  ];
  const climbs = ["..", "%2e%2e", ".%2e", "%2E.", "..%00", "\uff0e\uff0e", "\u2025", "\u2024.", ".\u200b.", "\u202e..", "..\u00ad"];
  const climbing = slashes.flatMap((slash) => climbs.flatMap((climb) => DENIED.map((name) => `public${slash}${climb}${slash}${name}`)));
  const mixed = DENIED.flatMap((name) => [
    ...[name, `/${name}`, `./${name}`, `//${name}`, `${name}/`, `${name}.`, `${name} `, ` ${name}`],
    ...[name.toUpperCase(), name.replace("e", "\u0435"), name.replace("s", "\uff53"), `${name}\u0000.txt`],
    ...["?", "#", "%00", "%20", "\n", "\r", "\t", "\u0085", "\u2028", "\ufeff", "::$DATA", ";"].map((end) => name + end),
    ...["\n", "\r\n", "\u0000", "\u2028", "\u2029", "\u202e", "?/../", "#/../"].map((cut) => `public/a${cut}${name}`),
    ...["e\u0301", "\u1112\u1161\u11ab", "\u212b", "\u2126"].map((decomposed) => `public/${decomposed}/../${name}`),
  ]);
  return [...climbing, ...mixed];
}

/** Denied identifiers that are no paths, behind a beginning that is permitted. */
export function names(): string[] {
  const joints = [
    "\n",
    "\r",
    "\r\n",
    "\u0000",
    "\u0008",
    "\u001b[2K",
    "\u007f",
    "\u0085",
    "\u00ad",
    "\u034f",
    "\u061c",
    "\u200b",
    "\u200d",
    "\u200f",
    "\u2028",
    "\u2029",
    "\u202a",
    "\u202e",
    "\u2060",
    "\u2066",
    "\u2069",
    "\ue000",
    "\ufeff",
    "\u{e0041}",
  ];
  return joints.flatMap((joint) => [`open-1${joint}secret-1`, `open-${joint}1`, `open-1${joint}`]);
}

/** How others would read a path. One that reads otherwise than it was decided on has two readings. */
export const READERS: Record<string, (path: string) => string> = {
  "a file system": (path) => posix.normalize(path),
  "a URL": (path) => decodeURIComponent(new URL(`file:///${path}`).pathname.slice(1)),
  "a decoder": (path) => path.replace(/%[0-9a-f]{2}/gi, decodeURIComponent),
  "a C string": (path) => path.split("\0")[0] ?? "",
  "a line": (path) => path.split(/[\r\n\u0085\u2028\u2029]/)[0] ?? "",
  "a normaliser": (path) => path.normalize("NFC"),
  "a Windows path": (path) => path.replaceAll("\\", "/").replace(/[ .]+(?=\/|$)/g, ""),
};
