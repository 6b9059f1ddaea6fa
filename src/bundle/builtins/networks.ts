/** Builtins on addresses and networks, as Go's `net` reads them: an IPv4-mapped address is one of IPv4. */
import { isIPv4, isIPv6 } from "node:net";
import { membersOf, ofStrings, type Builtin, type Spend } from "./function.js";
import { TermSet, type RegoTerm } from "./term.js";

interface Address {
  /** Bits of the family. */
  bits: 32 | 128;
  value: bigint;
}

interface Network extends Address {
  prefix: number;
}

/** Addresses from the first to the last, with their network's own text unless several were merged. */
interface Block {
  bits: 32 | 128;
  first: bigint;
  last: bigint;
  text: string | null;
}

const MAPPED = 0xffffn;
/** Units for comparing two networks, and for writing an address. */
const COMPARE_COST = 50;
const ADDRESS_COST = 2000;

/** Reads an address; null for any other text, and for one with a zone. */
function addressOf(text: string): Address | null {
  if (isIPv4(text)) return { bits: 32, value: fromParts(text.split("."), 8n, 10) };
  if (!isIPv6(text) || text.includes("%")) return null;
  const value = v6Of(text);
  return value >> 32n === MAPPED ? { bits: 32, value: value & 0xffff_ffffn } : { bits: 128, value };
}

function v6Of(text: string): bigint {
  const dotted = /[\d.]+$/.exec(text)?.[0] ?? "";
  const plain = dotted.includes(".") ? text.slice(0, -dotted.length) + wordsOf(fromParts(dotted.split("."), 8n, 10), 2).join(":") : text;
  const [head = "", tail] = plain.split("::");
  const words = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const [before, after] = [words(head), words(tail ?? "")];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return fromParts(tail === undefined ? before : [...before, ...zeros, ...after], 16n, 16);
}

function fromParts(parts: readonly string[], bits: bigint, radix: number): bigint {
  return parts.reduce((value, part) => (value << bits) | BigInt(parseInt(part, radix)), 0n);
}

function wordsOf(value: bigint, count: number): string[] {
  return Array.from({ length: count }, (_, i) => ((value >> BigInt(16 * (count - 1 - i))) & 0xffffn).toString(16));
}

/** Writes an address as RFC 5952 does. */
function addressText({ bits, value }: Address): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join(".");
  const words = wordsOf(value, 8);
  const zeros = [
    ...words
      .map((word) => (word === "0" ? "0" : "x"))
      .join("")
      .matchAll(/0{2,}/g),
  ];
  const [longest] = zeros.sort((a, b) => b[0].length - a[0].length);
  if (longest === undefined) return words.join(":");
  return `${words.slice(0, longest.index).join(":")}::${words.slice(longest.index + longest[0].length).join(":")}`;
}

/** Reads a network in CIDR notation; null for any other text. */
function networkOf(text: string): Network | null {
  const [, host = "", length = ""] = /^([^/]+)\/(\d+)$/.exec(text) ?? [];
  const isV4 = isIPv4(host);
  const prefix = Number(length);
  if (length === "" || prefix > (isV4 ? 32 : 128)) return null;
  if (isV4) return masked({ bits: 32, value: fromParts(host.split("."), 8n, 10) }, prefix);
  if (!isIPv6(host) || host.includes("%")) return null;
  const network = masked({ bits: 128, value: v6Of(host) }, prefix);
  return network.value >> 32n === MAPPED ? masked({ bits: 32, value: network.value & 0xffff_ffffn }, prefix - 96) : network;
}

function masked({ bits, value }: Address, prefix: number): Network {
  const host = BigInt(bits - prefix);
  return { bits, value: (value >> host) << host, prefix };
}

/** Returns whether the first contains the second, an address or a network; undefined if either can't be read. */
function contains(outer: RegoTerm | undefined, inner: RegoTerm | undefined): boolean | undefined {
  if (typeof outer !== "string" || typeof inner !== "string") return undefined;
  const network = networkOf(outer);
  const address = addressOf(inner);
  const other = address === null ? networkOf(inner) : { ...address, prefix: address.bits };
  if (network === null || other === null) return undefined;
  return network.bits === other.bits && network.prefix <= other.prefix && masked(other, network.prefix).value === network.value;
}

/** Returns the networks of an operand, each with what a match names it by; undefined for an operand of another shape. */
function named(term: RegoTerm | undefined): [RegoTerm | undefined, RegoTerm][] | undefined {
  const first = (one: RegoTerm): RegoTerm | undefined => (Array.isArray(one) ? one[0] : typeof one === "string" ? one : undefined);
  if (typeof term === "string") return [[term, term]];
  if (Array.isArray(term)) return term.map((one, i) => [first(one), i]);
  if (term instanceof TermSet) return term.items.map((one) => [first(one), one]);
  return term instanceof Map ? [...term].map(([key, one]) => [first(one), key]) : undefined;
}

function containsMatches(outer: RegoTerm | undefined, inner: RegoTerm | undefined, spend: Spend): RegoTerm | undefined {
  const [outers, inners] = [named(outer), named(inner)];
  if (outers === undefined || inners === undefined) return new TermSet([]);
  spend(outers.length * inners.length * COMPARE_COST);
  const found: RegoTerm[] = [];
  for (const [network, by] of outers) {
    if (network === undefined) return undefined;
    for (const [other, at] of inners) {
      const isWithin = contains(network, other);
      if (isWithin === undefined) return undefined;
      if (isWithin) found.push([by, at]);
    }
  }
  return new TermSet(found);
}

function expand(text: string, spend: Spend): RegoTerm | undefined {
  const network = networkOf(text);
  if (network === null) return undefined;
  const count = 1n << BigInt(network.bits - network.prefix);
  spend(Number(count) * ADDRESS_COST);
  return new TermSet(
    Array.from({ length: Number(count) }, (_, i) => addressText({ bits: network.bits, value: network.value + BigInt(i) })),
  );
}

/** Returns the block of an address or a network. @throws RangeError for an IPv4-mapped one, of which OPA's merging makes something else */
function blockOf(term: RegoTerm): Block | undefined {
  if (typeof term !== "string") return undefined;
  const address = addressOf(term);
  // A bare address stands for the network of its class.
  const prefix = address === null ? null : address.value >> 31n === 0n ? 8 : address.value >> 30n === 2n ? 16 : 24;
  if (address?.bits === 128) return undefined;
  const network = address === null || prefix === null ? networkOf(term) : masked(address, prefix);
  if (network === null) return undefined;
  if (network.bits === 32 && term.includes(":")) throw new RangeError("IPv4-mapped networks aren't merged");
  const last = network.value + (1n << BigInt(network.bits - network.prefix)) - 1n;
  const text = `${address === null ? addressText(network) : term}/${network.prefix}`;
  return { bits: network.bits, first: network.value, last, text };
}

/** @throws RangeError if addresses of both families would become one block */
function merge(blocks: readonly Block[]): RegoTerm {
  const placed = (bits: number, value: bigint): bigint => (bits === 32 ? (MAPPED << 32n) | value : value);
  const sorted = [...blocks].sort((a, b) => {
    const [byLast, byFirst] = [placed(a.bits, a.last) - placed(b.bits, b.last), placed(a.bits, a.first) - placed(b.bits, b.first)];
    return byLast !== 0n ? (byLast > 0n ? 1 : -1) : byFirst > 0n ? 1 : byFirst < 0n ? -1 : 0;
  });
  for (let i = sorted.length - 1; i > 0; i--) {
    const [before, block] = [sorted[i - 1], sorted[i]];
    if (before === undefined || block === undefined) continue;
    const previous = placed(block.bits, block.first === 0n ? 0n : block.first - 1n);
    if (previous > placed(before.bits, before.last)) continue;
    if (before.bits !== block.bits) throw new RangeError("networks of IPv4 and IPv6 aren't merged into one");
    const first = before.first < block.first ? before.first : block.first;
    sorted.splice(i - 1, 2, { bits: block.bits, first, last: block.last, text: null });
  }
  return new TermSet(sorted.flatMap((block) => (block.text === null ? cidrsOf(block) : [block.text])));
}

/** Returns the fewest networks that make up a block. */
function cidrsOf({ bits, first, last }: Block): string[] {
  const found: string[] = [];
  for (let at = first; at <= last;) {
    let host = 0n;
    while (host < BigInt(bits) && at % (1n << (host + 1n)) === 0n && at + (1n << (host + 1n)) - 1n <= last) host++;
    found.push(`${addressText({ bits, value: at })}/${bits - Number(host)}`);
    at += 1n << host;
  }
  return found;
}

export const NETWORKS: Readonly<Record<string, Builtin>> = {
  "net.cidr_is_valid": ([text]) => typeof text === "string" && networkOf(text) !== null,
  "net.cidr_contains_matches": ([outer, inner], spend) => containsMatches(outer, inner, spend),
  "net.cidr_expand": ofStrings(([text = ""], spend) => expand(text, spend)),
  "net.cidr_merge": ([operand], spend) => {
    const members = membersOf(operand);
    if (members === null) return undefined;
    spend(members.length ** 2 * COMPARE_COST);
    const blocks = members.map(blockOf);
    return blocks.every((block) => block !== undefined) ? merge(blocks) : undefined;
  },
};
