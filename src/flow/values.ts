/**
 * Values that are matched, in normal forms: two spellings of the same address have one. A normal form never makes two places that
 * differ the same, since trust is given by it. Texts are taken apart by libraries that others keep.
 */
import { createRequire } from "node:module";
import type * as Chrono from "chrono-node/en";
import { electronicFormatIBAN, isValidIBAN } from "ibantools";
import type * as PhoneNumbers from "libphonenumber-js/min";
import { LinkifyIt } from "linkify-it";
import { RETURNED, type ValueKind } from "../contract/index.js";
import { Recent } from "../system/recent.js";

const require = createRequire(import.meta.url);
/** Loads what is large at its first use: a service without data flow needs neither, and starts sooner. */
const dates = (): typeof Chrono => require("chrono-node/en") as typeof Chrono;
const phones = (): typeof PhoneNumbers => require("libphonenumber-js/min") as typeof PhoneNumbers;

/** Loads the libraries that read texts now: the first text is read on the thread that decides. */
export function loadReaders(): void {
  dates();
  phones();
}

export interface TypedValue {
  kind: ValueKind;
  value: string;
}

/** Characters of a text that are looked through; what is behind them makes the report full. */
export const TEXT_MAX = 100_000;
/** Characters of a text in which dates are looked for by their words. */
const DATES_MAX = 10_000;
/** No name has more characters or words. */
const NAME_LENGTH_MAX = 256;
const NAME_WORDS_MAX = 12;
const DECODED_DEPTH_MAX = 3;

const links = new LinkifyIt({ fuzzyLink: true, fuzzyEmail: true, fuzzyIP: true, urlAuth: true }).tlds(
  "app dev xyz site online tech shop store cloud blog ai io info biz me co edu gov mil top club live news click link page zip onion".split(
    " ",
  ),
  true,
);
/** Invisible characters: they tell no two places apart. Joiners do so in words that are written with them (RFC 5892, appendix A). */
const INVISIBLE = /(?![\u200c\u200d])\p{Cf}|(?<![\p{M}\p{sc=Arab}])[\u200c\u200d]|[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]/gu;
const LABEL = String.raw`[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?`;
const SPARED = String.raw`\s"'<>()[\]{}|`;
/** Addresses wherever they stand, of any host: mail servers take more than a text's reader links. */
const MAILBOX = String.raw`(?:(?<![\p{L}\p{N}!#$%*+^~_.-])[\p{L}\p{N}!#$%*+^~_.-]+|(?<="))@`;
const ADDRESS = new RegExp(String.raw`${MAILBOX}(?:[\p{L}\p{N}_-]+\.)+\p{L}[\p{L}\p{N}_-]*`, "gu");
/** One whose host is a number (RFC 5321, section 4.1.3). */
const LITERAL_ADDRESS = new RegExp(String.raw`${MAILBOX}\[[^\]\s]{1,64}\]`, "gu");
const WHOLE_ADDRESS = new RegExp(`^(?:${ADDRESS.source}|${LITERAL_ADDRESS.source})$`, "u");
/** Links of any scheme, and hosts of any ending that something of a link stands behind. */
const SCHEMED = new RegExp(
  String.raw`(?:[a-z][a-z\d+.-]{0,30}:[\\/]+|(?<![\p{L}\p{N}:.\\/-])[\\/]{2,}(?=[^${SPARED}\\/]*\.[^${SPARED}\\/]))[^${SPARED}]+`,
  "giu",
);
const FILE = "(?:js|ts|md|ya?ml|json|php|html?|pdf|docx?|xlsx?|pptx?|csv|txt|log|rs|py|go|java|cpp|sh|sql|xml|css|png|jpe?g)";
const HOSTED = new RegExp(
  String.raw`(?<![\p{L}\p{N}@._\/\\-])(?:${LABEL}\.)+(?!${FILE}(?![\p{L}\p{N}]))\p{L}{2,}(?::\d+(?:[/?#][^${SPARED}]*)?|[/?#][^${SPARED}]+)`,
  "gu",
);
/** Marks that a link may stand right behind, or between, though it isn't parted from them by a space. */
const CLINGING = /[|,;:=\x60()[\]{}<>"'\\]+[\\/]*|(?<![\p{L}\d])[*_]+|[*_]+(?![\p{L}\d])/gu;
/** A dot that browsers take for one in a host (UTS 46). */
const WIDE_DOT = /(?<=[a-z\d])\u3002(?=[a-z\d])/giu;
const ACCOUNT = /(?<![\p{L}\d])[A-Z]{2}\d{2}(?:[ ]?[A-Z\d]{2,4}){2,8}(?![\p{L}\d])/gu;
/** The same in small letters and in other groups: an account only if its check digits are right. */
const LOOSE_ACCOUNT = /(?<![\p{L}\d])[A-Za-z]{2}\d{2}(?:[ .-]?[A-Za-z\d]){11,30}(?![\p{L}\d])/gu;
const WHOLE_LOOSE_ACCOUNT = new RegExp(`^(?:${LOOSE_ACCOUNT.source})$`, "u");
const AMOUNT = String.raw`(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?`;
const CURRENCY = `(?:${Intl.supportedValuesOf("currency").join("|")})`;
/** Amounts with their currency right beside them, and those with a comma before the cents. */
const MONEY = new RegExp(
  String.raw`(?<![\p{L}\d])${CURRENCY}(${AMOUNT})(?!\d|[.,]\d)|(?<![\p{L}\d.,/:-])(${AMOUNT})${CURRENCY}(?![\p{L}\d])`,
  "gu",
);
const WITH_COMMA = /(?<![\p{L}\d.,/:-])(?:\d{1,3}(?:\.\d{3})+|\d+),\d{1,2}(?![\p{L}\d]|[.,/:-]\d)/gu;
const NUMBER = /(?<![\p{L}\d.,/:-])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\p{L}\d]|[.,/:-]\d)/gu;
const DAY = String.raw`(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])`;
const ISO_DATE = new RegExp(String.raw`(?<!\d)${DAY}(?!\d)`, "gu");
const TIME = /(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?::\d{2}(?:\.\d+)?)?(?![\d:])(?:\s?([ap])\.?m\b)?/giu;
/** Zones by their usual letters: all else is a word. */
const ZONE = "(?:Z|UTC|GMT|BST|IST|JST|MSK|[CEW]ES?T|[CEMP][DS]T|AE[DS]T|NZ[DS]T)";
const CLOCK = String.raw`\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?: ?[apAP]\.?[mM]\.?)?(?: ?(?:${ZONE}|[+-]\d{2}:?\d{2}))?`;
/** Whole fields: what goes on with words is a text that begins with a day or a time. */
const WHOLE_DATE = new RegExp(String.raw`^${DAY}(?:[T ] ?${CLOCK})?$`, "u");
const WHOLE_TIMES = new RegExp(`^${CLOCK}(?: ?[-–] ?${CLOCK})?$`, "u");
const PHONE_LIKE = /\d(?:[ ().-]{0,2}\d){6,}/u;
const GOES_ON = /(?<=[\p{Ll}\d])\.(?=\p{Lu}\p{Ll})/gu;
const BASE64 = /(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{12,}={0,2}(?![A-Za-z0-9+/_=-])/gu;
const WHOLE_ACCOUNT = new RegExp(`^(?:${ACCOUNT.source})$`, "u");
/** Marks without one of which a text has no link, address, key or encoded part. */
const LINK_LIKE = /\S[.\u3002]\S|@|:\/\//u;
const LONG = /[\w+/-]{12}|-----BEGIN/u;
const PERCENT = /%[0-9a-f]{2}/i;
const ENTITY =
  /&(?:#0*(\d{1,7})|#x0*([\da-f]{1,6})|(colon|sol|bsol|period|commat|quest|equals|amp|num|percnt|lowbar|hyphen|Tab|NewLine|nbsp|lt|gt|quot|apos));?/gi;
const NAMED_ENTITIES: Readonly<Record<string, string>> = {
  ...{ colon: ":", sol: "/", bsol: "\\", period: ".", commat: "@", quest: "?", equals: "=", amp: "&", num: "#", percnt: "%", lowbar: "_" },
  ...{ hyphen: "-", tab: "", newline: "", nbsp: " ", lt: "<", gt: ">", quot: '"', apos: "'" },
};
/** Keys as their issuers write them, and long tokens of letters and digits. */
const KEY = /-----BEGIN [A-Z ]+-----|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{20,}(?![\w-])/gu;

/** The form in which a text is read: one of each letter's forms, nothing invisible. */
export function plain(text: string): string {
  return text.normalize("NFKC").replace(INVISIBLE, "");
}

/** Normal form of a name: letter case and spaces don't tell names apart. */
export function nameOf(text: string): string {
  return plain(text).toLowerCase().replace(/\s+/gu, " ").trim();
}

/** Normal form of a link; null if it isn't one. */
export function urlOf(text: string): string | null {
  try {
    const url = new URL(/^[a-z][a-z\d+.-]*:/i.test(text) && !/^[\w.-]+:\d/.test(text) ? text : `http://${text}`);
    if (url.host === "") return null;
    // Escapes of what needs none mean the same as the letter.
    const rest = `${url.pathname}${url.search}${url.hash}`.replace(/%[0-9a-f]{2}/gi, unescaped);
    const scheme = /^https?:$/.test(url.protocol) ? "" : `${url.protocol}//`;
    const user = url.username === "" ? "" : `${url.username}${url.password === "" ? "" : `:${url.password}`}@`;
    return `${scheme}${user}${url.host.replace(/^www\./, "").replace(/\.$/, "")}${rest.replace(/\/+$/, "")}`;
  } catch {
    return null;
  }
}

function unescaped(escape: string): string {
  const letter = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  return /[A-Za-z0-9\-._~]/.test(letter) ? letter : escape.toUpperCase();
}

function emailOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/^mailto:/, "")
    .replace(/\.$/, "");
}

function numberOf(text: string): string | null {
  const value = Number(text.replaceAll(",", ""));
  return Number.isFinite(value) ? String(value) : null;
}

/**
 * Returns what the whole of a field is: an address, a link, an account, a number, a date, and a name where it is short enough to be one.
 * @example
 * readings("https://Example.com/") // [{ kind: "url", value: "example.com" }, { kind: "name", … }]
 */
export function readings(field: string | number): readonly TypedValue[] {
  if (typeof field === "number") return [...numbered(String(field)), { kind: "name", value: String(field) }];
  if (field.length > NAME_LENGTH_MAX) return read(field);
  let known = recent.get(field);
  if (known === undefined) recent.set(field, (known = read(field)));
  return known;
}

/** A value is looked at as the action is asked about, and again once it is permitted. */
const recent = new Recent<readonly TypedValue[]>(2_000);

function read(field: string): TypedValue[] {
  const text = plain(field).trim();
  if (text === "" || text.length > RETURNED.length_max) return [];
  const found = special(text);
  const words = text.length > NAME_LENGTH_MAX ? Infinity : text.split(/\s+/u).length;
  return words > NAME_WORDS_MAX ? found : [...found, { kind: "name", value: nameOf(text) }];
}

function numbered(text: string): TypedValue[] {
  const value = numberOf(text);
  return value === null ? [] : [{ kind: "number", value }];
}

function special(text: string): TypedValue[] {
  const one = /\s/u.test(text) || !LINK_LIKE.test(text) ? null : links.match(text);
  const match = one?.length === 1 && one[0]?.raw.length === text.replace(/[.,;:!?]+$/u, "").length ? one[0] : null;
  if (match !== null) {
    if (match.schema === "mailto:") return [{ kind: "email", value: emailOf(match.raw) }];
    const url = urlOf(match.raw);
    return url === null ? [] : [{ kind: "url", value: url }];
  }
  if (WHOLE_ADDRESS.test(text)) return [{ kind: "email", value: emailOf(text) }];
  if (!/\d|:\/\//u.test(text)) return [];
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(text)) {
    const url = urlOf(text);
    if (url !== null) return [{ kind: "url", value: url }];
  }
  if (WHOLE_ACCOUNT.test(text)) return [{ kind: "account", value: electronicFormatIBAN(text) ?? text }];
  const loose = WHOLE_LOOSE_ACCOUNT.test(text) ? looseAccount(text) : null;
  if (loose !== null) return [{ kind: "account", value: loose }];
  const [, year, month, day] = WHOLE_DATE.exec(text) ?? [];
  if (day !== undefined) return [{ kind: "date", value: `${year}-${month}-${day}` }, ...times(text.slice(10))];
  if (/^[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?$/u.test(text)) {
    const phone = text.startsWith("+") || text.length >= 10 ? phoneOf(text) : [];
    return [...phone, ...numbered(text)];
  }
  if (WHOLE_TIMES.test(text)) return times(text);
  if (/^[+(\d][\d ().-]{6,24}$/u.test(text)) return phoneOf(text);
  return [];
}

function phoneOf(text: string): TypedValue[] {
  const parsed = phones().parsePhoneNumberFromString(text);
  const digits = text.replace(/\D/gu, "");
  return digits.length < 7 ? [] : [{ kind: "phone", value: parsed?.number ?? digits }];
}

function times(text: string): TypedValue[] {
  return [...text.matchAll(TIME)].map(([, said = "", minute = "", half]) => {
    const [hour, isLate] = [Number(said), half?.toLowerCase() === "p"];
    const of24 = half === undefined || hour > 12 ? hour : (hour % 12) + (isLate ? 12 : 0);
    return { kind: "time", value: `${String(of24).padStart(2, "0")}:${minute}` };
  });
}

/** Depth of encodings beyond which an argument is taken for opaque. */
interface Within {
  depth: number;
}

/**
 * Returns the addresses, links, accounts, numbers to call, keys, dates and amounts in a text, also in parts of it that are encoded.
 * Each once; a name isn't found in a text.
 * @param now what days without a year are taken to be near to; null: such days aren't looked for
 */
export function valuesIn(text: string, now: Date | null = null, within: Within = { depth: 0 }): TypedValue[] {
  const found = new Map<string, TypedValue>();
  const add = (...values: TypedValue[]): void => {
    for (const one of values) found.set(`${one.kind} ${one.value}`, one);
  };
  let left = plain(text.slice(0, TEXT_MAX));
  const isLong = LONG.test(left);
  if (within.depth < DECODED_DEPTH_MAX && (isLong || PERCENT.test(left) || left.includes("&"))) {
    for (const decoded of decodings(left)) add(...valuesIn(decoded, null, { depth: within.depth + 1 }));
  }
  if (LINK_LIKE.test(left)) {
    // "example.com.Then": a sentence may go on without a space, and a link may not end there: both are found.
    const parted = left.search(GOES_ON) >= 0 ? (links.match(left.replace(GOES_ON, "$& ")) ?? []) : [];
    const whole = left.replace(WIDE_DOT, ".").replace(LITERAL_ADDRESS, (raw) => {
      add({ kind: "email", value: emailOf(raw) });
      return " ".repeat(raw.length);
    });
    const matches = links.match(whole) ?? [];
    for (const { schema, raw, lastIndex } of [...matches, ...parted]) {
      const url = schema === "mailto:" ? null : urlOf(raw);
      // An apostrophe may begin an address; one before and one behind are quotes.
      const isQuoted = raw.startsWith("'") && whole[lastIndex] === "'";
      if (schema === "mailto:") add({ kind: "email", value: emailOf(isQuoted ? raw.slice(1) : raw) });
      else if (url !== null) add({ kind: "url", value: url });
    }
    left = matches.reduce(
      (text, { schema, raw, index, lastIndex }) => (schema === "mailto:" || urlOf(raw) !== null ? blanked(text, index, lastIndex) : text),
      whole,
    );
    const clinging = clingingIn(left);
    add(...clinging.values);
    left = clinging.left;
  }
  if (isLong) {
    for (const [raw] of left.matchAll(KEY)) add({ kind: "key", value: raw });
  }
  if (now !== null && left.length <= DATES_MAX && /\d|day|week|month|tomorrow/iu.test(left)) add(...spokenDates(left, now));
  if (!/\d/u.test(left)) return [...found.values()];
  left = left.replace(ACCOUNT, (raw) => {
    const account = accountIn(raw);
    add({ kind: "account", value: electronicFormatIBAN(account) ?? account });
    return ` ${raw.slice(account.length)}`;
  });
  left = left.replace(LOOSE_ACCOUNT, (raw) => {
    const account = looseAccount(raw);
    if (account !== null) add({ kind: "account", value: account });
    return account === null ? raw : " ";
  });
  for (const [value] of left.matchAll(ISO_DATE)) add({ kind: "date", value });
  add(...times(left));
  left = left.replace(ISO_DATE, " ");
  if (PHONE_LIKE.test(left)) {
    for (const { number, startsAt, endsAt } of phones().findPhoneNumbersInText(left)) {
      add({ kind: "phone", value: number.number });
      left = `${left.slice(0, startsAt)}${" ".repeat(endsAt - startsAt)}${left.slice(endsAt)}`;
    }
  }
  for (const [raw] of left.matchAll(NUMBER)) add(...numbered(raw));
  for (const [, behind = "", before = ""] of left.matchAll(MONEY)) add(...numbered(behind + before));
  for (const [raw] of left.matchAll(WITH_COMMA)) add(...numbered(raw.replaceAll(".", "").replace(",", ".")));
  return [...found.values()];
}

function blanked(text: string, from: number, to: number): string {
  return `${text.slice(0, from)}${" ".repeat(to - from)}${text.slice(to)}`;
}

/** Addresses and links that cling to what stands beside them, so that no reader of texts makes links of them, and mail and browsers do. */
function clingingIn(text: string): { values: TypedValue[]; left: string } {
  const values: TypedValue[] = [];
  const link = (raw: string): string => {
    const url = urlOf(raw.replace(/[.,;:!?*_]+$/u, ""));
    if (url === null) return raw;
    values.push({ kind: "url", value: url });
    return " ".repeat(raw.length);
  };
  const left = text
    .replace(ADDRESS, (raw) => {
      values.push({ kind: "email", value: emailOf(raw) });
      return " ".repeat(raw.length);
    })
    .replace(SCHEMED, link)
    .replace(HOSTED, link);
  for (const { schema, raw } of links.match(left.replace(CLINGING, " ")) ?? []) {
    const url = schema === "mailto:" ? null : urlOf(raw);
    if (url !== null) values.push({ kind: "url", value: url });
  }
  return { values, left };
}

function looseAccount(text: string): string | null {
  const account = text.replace(/[ .-]/gu, "").toUpperCase();
  return isValidIBAN(account) ? account : null;
}

/** Ends it where it is an account: an amount or a word in capitals may stand right behind. */
function accountIn(raw: string): string {
  for (let account = raw; ; account = account.slice(0, account.lastIndexOf(" "))) {
    if (isValidIBAN(electronicFormatIBAN(account) ?? "")) return account;
    if (!account.includes(" ")) return raw;
  }
}

function spokenDates(text: string, now: Date): TypedValue[] {
  return dates()
    .parse(text, { instant: now, timezone: 0 })
    .flatMap(({ start, end }) =>
      [start, ...(end ? [end] : [])].flatMap((one): TypedValue[] => {
        const [year, month, day] = [one.get("year"), one.get("month"), one.get("day")];
        if (year === null || month === null || day === null) return [];
        const pad = (part: number): string => String(part).padStart(2, "0");
        // "May 26th" is that of any year; "tomorrow" is of one.
        const named = one.isCertain("month") && !one.isCertain("year") ? "-" : String(year);
        const at: TypedValue[] = one.isCertain("hour")
          ? [{ kind: "time", value: `${pad(one.get("hour") ?? 0)}:${pad(one.get("minute") ?? 0)}` }]
          : [];
        return [{ kind: "date", value: `${named}-${pad(month)}-${pad(day)}` }, ...at];
      }),
    );
}

/** Yields what encoded parts of a text say, as far as they are text. */
function* decodings(text: string): Generator<string, void, undefined> {
  if (PERCENT.test(text)) {
    const decoded = text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
      const bytes = Buffer.from(escapes.replaceAll("%", ""), "hex").toString("utf8");
      return bytes.includes("\ufffd") ? escapes : bytes;
    });
    if (decoded !== text) yield decoded;
  }
  const named = text.replace(ENTITY, (_, decimal?: string, hex?: string, name: string = "") =>
    decimal === undefined && hex === undefined
      ? (NAMED_ENTITIES[name.toLowerCase()] ?? "")
      : characterOf(decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal)),
  );
  if (named !== text) yield named;
  for (const [raw] of text.matchAll(BASE64)) {
    const decoded = Buffer.from(raw, "base64").toString("utf8");
    if (decoded.length >= 6 && !/[\ufffd\p{Cc}]/u.test(decoded.replace(/[\r\n\t]/gu, " "))) yield decoded;
  }
}

function characterOf(point: number): string {
  return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : " ";
}
