/**
 * What a tool is to a host, read from its catalogue: whether it changes anything, what it changes, and which of its arguments say
 * where something goes. A host that knows better says so in a `host.yaml` beside its policy set.
 */
import { stem } from "./text.js";

export interface Parameter {
  name: string;
  /** JSON Schema. */
  schema: Readonly<Record<string, unknown>>;
  isText: boolean;
  isList: boolean;
  /** A call can't do without it. */
  required: boolean;
}

export interface ToolSaid {
  name: string;
  toolkit: string;
  description: string;
  /** What the catalogue says; null where it is silent. */
  readOnly: boolean | null;
  parameters: readonly Parameter[];
}

/**
 * `look`: nothing changes, nothing leaves. `fetch`: nothing changes, but what is asked for may tell somebody else something. `keep`: the user's own papers
 * get more or other contents. `add`: something new comes about or leaves. `alter`, `destroy`: something that was there. `settings`: whose
 * account it is, and who gets in.
 */
export const DOES = ["look", "fetch", "keep", "add", "alter", "destroy", "settings"] as const;
export type Does = (typeof DOES)[number];

export interface Tool {
  name: string;
  does: Does;
  /** First word of its name, and the others: what an instruction would have to speak of. */
  verb: string;
  nouns: readonly string[];
  /** Arguments that say where something goes, whom it reaches, or what becomes true of an account. */
  places: readonly string[];
  /** Those of them that a call can't do without. */
  needed: readonly string[];
  /** Arguments that people will read, and may follow. */
  texts: readonly string[];
  /** The argument that says what it changes, where it changes what was there. */
  thing: string | null;
  /** Whether an answer is records, or a text as somebody wrote it. */
  answersRecords: boolean;
  /** Whether somebody else may have written of what it answers; null: go by what an answer looks like. */
  othersWrite: boolean | null;
}

// prettier-ignore
const VERBS: Readonly<Record<string, Does>> = {
  ...of("look", "get read list search find view show check lookup query describe count retrieve calculate compute see display track identify detect scan summarize translate is total browse visit open download fetch"),
  ...of("add", "create add new insert make write register upload book schedule send post publish email notify reply share message forward invite pay transfer order place buy purchase reserve checkout donate append copy submit input fill call text request respond generate draft deposit withdraw refund dispatch start run execute launch fork star follow subscribe enroll apply comment react like tweet grant give assign upvote hire rent print verify confirm authenticate"),
  ...of("alter", "update edit set modify change patch rename move replace reschedule adjust increase decrease extend toggle turn mark control complete merge"),
  ...of("destroy", "delete remove destroy drop clear cancel close archive unsubscribe unfollow revoke erase discard uninstall block kick leave terminate"),
  ...of("settings", "login logout reset unlock lock disable enable deploy"),
};

function of(does: Does, words: string): Record<string, Does> {
  return Object.fromEntries(words.split(" ").map((word) => [word, does]));
}

/** What people keep for themselves. */
const PAPERS = new Set(
  "file document doc event appointment meeting note draft folder dir directory reminder task todo list cart page sheet calendar playlist"
    .split(" ")
    .map(stem),
);
const SETTINGS =
  /password|passcode|credential|profile|user_?info|account_info|user_account|two_factor|permission|policy|polic|security|api_?key|ssh|token|role|access|collaborator|recovery|visibility/i;
/** To show that somebody is who they are changes nothing about who they are. */
const PROVES = new Set(["verify", "confirm", "authenticate"]);
const PLACE =
  /(?:^|_)(?:recipients?|to|cc|bcc|e?mails?|participants?|attendees?|invitees?|guests?|users?|usernames?|members?|collaborators?|accounts?|ibans?|payees?|payee_names?|channels?|urls?|links?|uris?|websites?|domains?|webhooks?|phones?|phone_numbers?|beneficiar(?:y|ies)|receivers?|contacts?|wallets?|addresse?s?|destination_(?:account|wallet|address|email|number|user)|repo|repository|remote|owner|friends?|followers?)(?:$|_)/i;
const NO_PLACE =
  /(?:^|_)(?:time|date|day|name|file_path|path|amount|type|limit|count|subject|body|title|content|description|text|message|note)(?:$|_)/i;
const LINK = /(?:^|_)(?:urls?|links?|uris?|websites?|domains?|webpages?)(?:$|_)/i;
const TEXT =
  /(?:^|_)(?:subject|body|content|text|message|description|title|note|notes|comment|caption|summary|reason|attachments?|input_values|review|bio|prompt|post|tweet|question|answer|code|command|file_content)(?:$|_)/i;
const WRITES_TEXT =
  /(?:^|_)(?:file|files|document|webpage|page|web|html|site|url|readme|article|pdf|code|script|content|contents|inbox_text)(?:$|_)/i;

export function toolOf(said: ToolSaid): Tool {
  const all = wordsOf(said.name, said.toolkit);
  const at = all.findIndex((word) => Object.hasOwn(VERBS, word));
  const verb = all[Math.max(at, 0)] ?? said.name;
  const nouns = all.filter((_, i) => i !== Math.max(at, 0));
  const does = doesOf(said, verb, nouns);
  const names = said.parameters.filter(({ isText, isList }) => isText || isList).map(({ name }) => name);
  const thing = ["keep", "alter", "destroy", "add"].includes(does) ? thingOf(said.parameters, nouns, does) : null;
  const places =
    does === "look" || does === "fetch"
      ? names.filter((name) => LINK.test(snake(name)))
      : does === "settings"
        ? names.filter((name) => name !== thing)
        : names.filter((name) => name !== thing && PLACE.test(snake(name)) && !NO_PLACE.test(snake(name)));
  const reads = does === "look" || does === "fetch";
  return {
    name: said.name,
    does: does === "look" && places.length > 0 ? "fetch" : does,
    verb,
    nouns,
    places,
    needed: said.parameters.filter(({ required }) => required).map(({ name }) => name),
    texts: reads ? [] : names.filter((name) => TEXT.test(snake(name)) && !places.includes(name) && name !== thing),
    thing,
    answersRecords: !(
      reads &&
      (places.length > 0 ||
        (WRITES_TEXT.test(nouns.join("_")) &&
          ["read", "open", "browse", "visit", "fetch", "get", "download"].includes(verb) &&
          nouns.length === 1))
    ),
    othersWrite: null,
  };
}

/** What a catalogue calls a read is believed only where the name says nothing else; what nobody can place changes something. */
function doesOf({ readOnly, parameters }: ToolSaid, verb: string, nouns: readonly string[]): Does {
  const byName = Object.hasOwn(VERBS, verb) ? (VERBS[verb] ?? null) : null;
  if (byName === "look" || (byName === null && readOnly === true)) return "look";
  if (byName === "settings" || (SETTINGS.test(nouns.join("_")) && byName !== "destroy" && !PROVES.has(verb))) return "settings";
  const changes = byName ?? (parameters.some(({ name }) => /_?id$/i.test(name)) ? "alter" : "add");
  return (changes === "add" || changes === "alter") && nouns.some((noun) => PAPERS.has(stem(noun))) ? "keep" : changes;
}

function thingOf(parameters: readonly Parameter[], nouns: readonly string[], does: Does): string | null {
  const named = (pattern: RegExp): string | undefined => parameters.find(({ name }) => pattern.test(snake(name)))?.name;
  const id = named(/(?:^|_)(?:id|ids|uuid|file_path|path|source_path|filename|file_name)$/);
  // What is added has an id of its own only where it is added to something.
  if (does === "add" || (does === "keep" && id === undefined))
    return (
      parameters.find(({ name }) => /^(?:file|event|document|folder|issue|task|list|playlist|meeting)_id$/.test(snake(name)))?.name ?? null
    );
  const last = nouns.map((noun) => stem(noun));
  return id ?? parameters.find(({ name, isText }) => isText && last.includes(stem(snake(name).split("_")[0] ?? "")))?.name ?? null;
}

/** `AmazonViewSavedAddresses` of the toolkit Amazon → view, saved, addresses. */
export function wordsOf(name: string, toolkit = ""): string[] {
  const bare = toolkit !== "" && name.startsWith(toolkit) && name.length > toolkit.length ? name.slice(toolkit.length) : name;
  return snake(bare)
    .split("_")
    .filter((word) => word !== "");
}

function snake(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_");
}
