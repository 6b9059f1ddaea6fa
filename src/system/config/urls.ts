/** Addresses: those that may be asked, and those of this machine. */
import { isIP } from "node:net";

export const OUTGOING = "give an `https` URL, or an `http` one of a loopback address";

/** Without a password, which would stand in the log, and without a fragment, which isn't sent. */
export function isOutgoingUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== "" || password !== "" || hash !== "") return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname.replace(/^\[(.*)\]$/, "$1")));
}

export const SYSLOG = "give `syslog+tls://host:port`, or `syslog+tcp://host:port` of a loopback address";

/** A receiver of syslog: a host and a port, and nothing else. */
export function isSyslogUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(text);
  if (hostname === "" || [username, password, pathname, search, hash].some((part) => part !== "")) return false;
  return protocol === "syslog+tls:" || (protocol === "syslog+tcp:" && isLoopback(hostname.replace(/^\[(.*)\]$/, "$1")));
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
