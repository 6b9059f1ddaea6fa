/** Headers that make an answer depend on what its client has (RFC 9110, section 13; RFC 7240). */
import type { IncomingMessage } from "node:http";

/** Returns true if the client's copy is current. Tags are compared weakly; a header that isn't an entity tag matches nothing. */
export function isNoneMatch({ headers }: Pick<IncomingMessage, "headers">, etag: string): boolean {
  const given = headers["if-none-match"];
  if (given === undefined) return false;
  if (given.trim() === "*") return true;
  return [...given.matchAll(/(?:W\/)?("[^"]*")/g)].some(([, tag]) => tag === etag);
}

const WAIT = /(?:^|[,;])[ \t]*wait[ \t]*=[ \t]*"?(\d{1,9})"?[ \t]*(?=$|[,;])/i;

/** Returns the milliseconds that the client would wait for another answer; an invalid preference is ignored (RFC 7240, section 2). */
export function preferredWait({ headers }: Pick<IncomingMessage, "headers">): number {
  // Repeated headers come joined by commas.
  const [, seconds = "0"] = WAIT.exec(String(headers["prefer"] ?? "")) ?? [];
  return Number(seconds) * 1000;
}
