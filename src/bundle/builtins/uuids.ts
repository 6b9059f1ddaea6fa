/** `uuid.parse` (RFC 4122), as `github.com/google/uuid` reads one. */
import { ofStrings, type Builtin } from "./function.js";
import type { RegoTerm } from "./term.js";

const FORMS = [
  /^([\da-f]{8})-([\da-f]{4})-([\da-f]{4})-([\da-f]{4})-([\da-f]{12})$/iu,
  /^urn:uuid:([\da-f]{8})-([\da-f]{4})-([\da-f]{4})-([\da-f]{4})-([\da-f]{12})$/iu,
  // Any character of one byte stands for a brace.
  /^[\u0000-\u007f]([\da-f]{8})-([\da-f]{4})-([\da-f]{4})-([\da-f]{4})-([\da-f]{12})[\u0000-\u007f]$/iu,
  /^([\da-f]{8})([\da-f]{4})([\da-f]{4})([\da-f]{4})([\da-f]{12})$/iu,
];
/** Steps of 100 ns from the Gregorian calendar's first day to the epoch. */
const GREGORIAN = 0x01b2_1dd2_1381_4000n;
const DOMAINS = ["Person", "Group", "Org"];

function variantOf(byte: number): string {
  if ((byte & 0xc0) === 0x80) return "RFC4122";
  if ((byte & 0xe0) === 0xc0) return "Microsoft";
  return (byte & 0xe0) === 0xe0 ? "Future" : "Reserved";
}

function macOf(first: number): string {
  return `${(first & 2) === 2 ? "local" : "global"}:${(first & 1) === 1 ? "multicast" : "unicast"}`;
}

function described(hex: string): RegoTerm {
  const bytes = Buffer.from(hex, "hex");
  const version = (bytes[6] ?? 0) >> 4;
  const found = new Map<RegoTerm, RegoTerm>([
    ["version", version],
    ["variant", variantOf(bytes[8] ?? 0)],
  ]);
  if (version !== 1 && version !== 2) return found;
  const time = BigInt(bytes.readUInt32BE(0)) | (BigInt(bytes.readUInt16BE(4)) << 32n) | (BigInt(bytes.readUInt16BE(6) & 0xfff) << 48n);
  const domain = bytes[9] ?? 0;
  const more = [
    ["time", BigInt.asIntN(64, (time - GREGORIAN) * 100n)],
    ["nodeid", [...bytes.subarray(10)].map((byte) => byte.toString(16).padStart(2, "0")).join("-")],
    ["macvariables", macOf(bytes[10] ?? 0)],
    ["clocksequence", bytes.readUInt16BE(8) & 0x3fff],
    ...(version === 2
      ? [
          ["id", bytes.readUInt32BE(0)],
          ["domain", DOMAINS[domain] ?? `Domain${domain}`],
        ]
      : []),
  ] as const;
  for (const [name, value] of more as readonly (readonly [string, RegoTerm])[]) found.set(name, value);
  return found;
}

export const UUIDS: Readonly<Record<string, Builtin>> = {
  "uuid.parse": ofStrings(([text = ""]) => {
    const parts = FORMS.map((form) => form.exec(text)).find((match) => match !== null);
    return parts === undefined ? undefined : described(parts.slice(1).join(""));
  }),
};
