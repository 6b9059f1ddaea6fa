/** Addresses inside a network: those that what a stranger names must not lead to. */
import { lookup, type LookupAddress, type LookupOptions } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Networks that no public server is in (IANA's special-purpose registries, RFC 6890). */
const PRIVATE: readonly [network: string, prefix: number][] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["::", 128],
  ["::1", 128],
  // IPv4 in other words, and networks that carry it: whatever it is, a name has an A record for it too.
  ["::ffff:0:0", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
];

// A list of each: one for both would take every IPv4 address for one in `::ffff:0:0/96`.
const blocked = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [network, prefix] of PRIVATE) {
  const family = network.includes(":") ? "ipv6" : "ipv4";
  blocked[family].addSubnet(network, prefix, family);
}

/** Returns true for an IP address that isn't public, and for what isn't an IP address. */
export function isPrivate(address: string): boolean {
  const version = isIP(address);
  const family = version === 6 ? "ipv6" : "ipv4";
  return version === 0 || blocked[family].check(address, family);
}

/** Returns the address that a URL's host is; null if it is a name. */
export function literalAddress({ hostname }: URL): string | null {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return isIP(host) === 0 ? null : host;
}

/** Returns a lookup that resolves a name at each connection, and rejects one of which any address is refused: no answer of a name server opens a way inside. */
export function checkedLookup(isRefused: (address: string) => boolean): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const inside = addresses.find(({ address }) => isRefused(address));
      const [first] = addresses;
      if (inside !== undefined || first === undefined)
        callback(new Error(`${hostname} has a private address, ${inside?.address ?? "or none"}`), []);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** Lookup that accepts public addresses only. */
export const publicLookup = checkedLookup(isPrivate);
