/**
 * Effects of tools and roles of their arguments, guessed from its name and theirs, for a draft. An author looks at each: what can't be
 * told is taken for the graver, and whoever wrote an answer's words for anyone.
 */
import { EFFECTS, type Role, type VerbEffect, type ValueWriter } from "../../contract/index.js";

const of = (effect: VerbEffect, words: string): [string, VerbEffect][] => words.split(" ").map((word) => [word, effect]);

const VERBS: ReadonlyMap<string, VerbEffect> = new Map([
  ...of(
    "look",
    "get read list search find view show check lookup query describe count retrieve calculate compute see display track identify detect scan summarize translate is total load inspect explain analyze validate preview compare discover",
  ),
  ...of("fetch", "browse visit open navigate download fetch crawl scrape"),
  ...of(
    "commit",
    "pay transfer buy purchase order place checkout book reserve rent hire donate subscribe sign wire withdraw deposit refund schedule enroll apply dispatch submit approve accept decline reject decide authorize agree consent settle top_up cash_out check_out",
  ),
  ...of(
    "add",
    "create add new insert make write register upload send post publish email notify reply share message forward invite append copy input fill call text request respond generate draft start run execute launch fork star follow comment react like tweet grant give assign upvote print verify confirm authenticate",
  ),
  ...of(
    "alter",
    "update edit set modify change patch put stop rename move replace reschedule adjust increase decrease extend toggle turn mark control complete merge",
  ),
  ...of(
    "destroy",
    "delete remove destroy drop clear cancel close archive kill unsubscribe unfollow revoke erase discard uninstall block kick leave terminate",
  ),
  ...of("settings", "login logout reset unlock lock disable enable deploy"),
]);
/** Papers that people keep for themselves. */
const PAPERS = new Set(
  "file document doc event appointment meeting note draft folder dir directory reminder task todo list cart page sheet calendar playlist".split(
    " ",
  ),
);
const SETTINGS =
  /password|passcode|credential|profile|user_?info|account_info|user_account|two_factor|permission|polic|security|api_?key|ssh|token|role|access|collaborator|recovery|visibility|memor(?:y|ies)/i;
/** Words that don't say whether anything is changed: a query is run, a report generated, a function called. */
const OPEN = new Set("run execute call request generate start print verify".split(" "));
/** To show that somebody is who they are changes nothing about who they are. */
const PROVES = new Set(["verify", "confirm", "authenticate"]);

const DESTINATION =
  /(?:^|_)(?:recipients?|to|cc|bcc|e?mails?|participants?|attendees?|invitees?|guests?|users?|usernames?|members?|collaborators?|accounts?|ibans?|payees?|payee_names?|channels?|urls?|links?|uris?|websites?|domains?|webhooks?|phones?|phone_numbers?|beneficiar(?:y|ies)|receivers?|contacts?|wallets?|addresse?s?|destinations?|repo|repository|remote|owner|friends?|followers?)(?:$|_)/i;
const NO_DESTINATION =
  /(?:^|_)(?:time|date|day|name|file_path|path|amount|type|limit|count|subject|body|title|content|description|text|message|note)(?:$|_)/i;
const LINK = /(?:^|_)(?:urls?|links?|uris?|websites?|domains?|webpages?)(?:$|_)/i;
const PLACE = /(?:^|_)(?:paths?|urls?|uris?|links?)$/i;
const FILE = /(?:^|_)(?:file_?)?path$/i;
const CONTENT =
  /(?:^|_)(?:subject|body|content|text|message|description|title|note|notes|comment|caption|summary|reason|attachments?|input_values|review|bio|prompt|post|tweet|question|answer|code|command)(?:$|_)/i;
/** Arguments that tell a tool in a language of its own what to do, which may be anything. */
const COMMAND = /(?:^|_)(?:sql|commands?|cmd)$/i;
/** The same of a tool that says that it runs what it is given; elsewhere a code proves who somebody is, and a statement is a bank's. */
const RUN = /(?:^|_)(?:code|query|expression|source|program|scripts?|statements?)$/i;
const RUNS = new Set("run execute exec eval evaluate invoke".split(" "));
const LOCATOR =
  /(?:^|_)(?:ids?(?:_[a-z0-9])?|uuid|key|path|filename|file_name)$|(?<!page|line|row|phone|port|step)(?:^|_)(?:no|nr|number)$/;
/** Arguments of what is paid, or for sale: with one, a verb that may be a look isn't a look. */
const HOW_MUCH = /^(?:amount|price|deposit|fee|bid|quantity)(?:_(?:[a-z]{3}|cents))?$/;
const LOOKS_OR_NOT = new Set("list track load check".split(" "));
/** Names of things, by which what is there is taken away. */
const NAMES = /(?:^|_)names?$/;

/** Returns what a verb most likely does; null for a word that isn't known for one. */
export function verbEffect(word: string): VerbEffect | null {
  return VERBS.get(word) ?? null;
}

/**
 * Returns the likely effect of a tool.
 * @param words of the tool's name, the first being what it does
 * @param destructive whether its server says that it may overwrite what is there; null: it says nothing
 */
export function effectOfTool(
  words: readonly string[],
  readOnly: boolean | null,
  parameters: readonly string[],
  destructive: boolean | null = null,
): VerbEffect {
  const [verb = "", ...others] = words;
  // Only of a word that would be a look: what no word tells, with an amount, is mostly the user's own business, and would always wait.
  const isPriced = ["look", "fetch"].includes(verbEffect(verb) ?? "") && parameters.some((name) => HOW_MUCH.test(name));
  const named = mayBeNoLook(verb, parameters, readOnly) ? null : verbEffect(verb);
  // A server that says that a look changes something is believed, unless it says that nothing is lost by it: a mail is marked as read.
  const known = named === "look" && readOnly === false && destructive !== false ? null : named;
  // A word that may be a noun makes an unknown verb graver, and no look.
  const byName = known ?? gravestOf(others);
  const nouns = known === null ? words : others;
  const reads = byName === "look" || byName === "fetch" || ((byName === null || OPEN.has(verb)) && readOnly === true);
  // What is asked for may tell somebody else something.
  if (reads) return parameters.some((name) => LINK.test(name)) ? "fetch" : "look";
  if (byName === "settings" || (SETTINGS.test(nouns.join("_")) && byName !== "destroy" && !PROVES.has(verb))) return "settings";
  if (byName !== "destroy" && parameters.some((name) => isCommand(name, words))) return "commit";
  // What no word tells may do anything, and without any argument there is nothing that anybody could look at.
  const changes =
    byName ?? (destructive === true && verbEffect(verb) === null ? "destroy" : isPriced ? "commit" : isVague(parameters) ? "alter" : "add");
  // What is written at a path may replace what is there.
  const mayReplace = destructive === true || parameters.some((name) => FILE.test(name));
  if (mayReplace && changes === "add") return "alter";
  return !mayReplace && (changes === "add" || changes === "alter") && nouns.some((noun) => PAPERS.has(noun.replace(/s$/, "")))
    ? "keep"
    : changes;
}

/** True of a look that isn't one with such parameters: an account is opened, an item listed for a price. */
function mayBeNoLook(verb: string, parameters: readonly string[], readOnly: boolean | null): boolean {
  if (readOnly === true) return false;
  if (verb === "open") return !parameters.some((name) => LINK.test(name) || PLACE.test(name));
  return LOOKS_OR_NOT.has(verb) && parameters.some((name) => HOW_MUCH.test(name));
}

function gravestOf(words: readonly string[]): VerbEffect | null {
  const effects = new Set(words.map(verbEffect));
  return EFFECTS.findLast((effect) => effect !== "look" && effect !== "fetch" && effects.has(effect)) ?? null;
}

/** True if the argument says in a language of the tool's what it is to do. */
function isCommand(name: string, words: readonly string[]): boolean {
  return COMMAND.test(name) || (RUN.test(name) && words.some((word) => RUNS.has(word)));
}

function isVague(parameters: readonly string[]): boolean {
  return parameters.length === 0 || parameters.some((name) => LOCATOR.test(name));
}

/** True of a tool that reads what stands at a place, such as a file or a page: whoever wrote that chose its fields, too. */
export function readsText(effect: VerbEffect, parameters: readonly string[]): boolean {
  return (effect === "look" || effect === "fetch") && parameters.some((name) => PLACE.test(name));
}

/** Null: it is nothing that has to come from somewhere, such as a page's size. */
export function roleOfArgument(name: string, effect: VerbEffect, isId: boolean): Role | null {
  const reads = effect === "look" || effect === "fetch";
  if (effect === "settings" && !isId) return "authority";
  if (isId) return "locator";
  if (LINK.test(name)) return "destination";
  // A look is never refused for where its arguments come from, unless a task's plan says where that is.
  const isWhose = DESTINATION.test(name) && !NO_DESTINATION.test(name);
  if (effect === "look" && (isWhose || LOCATOR.test(name))) return "locator";
  if (reads) return null;
  if (isWhose) return "destination";
  if (isGivenId(name)) return "locator";
  if (effect === "commit" && COMMAND.test(name)) return "commitment";
  if (CONTENT.test(name)) return "content";
  if (LOCATOR.test(name) || (effect === "destroy" && NAMES.test(name))) return "locator";
  return effect === "commit" ? "commitment" : null;
}

/** True if a server likely gives things this id: nobody chooses it, and nothing is sent there. */
export function isGivenId(name: string): boolean {
  return /_ids?$/.test(name) && !DESTINATION.test(name);
}

/** Likely writers of the fields of what a tool answers: what a record is filed under is the service's, words are anyone's. */
export const DRAFTED_WRITES: Readonly<Record<string, ValueWriter | "author">> = {
  ...Object.fromEntries(
    "id id_ uuid date time datetime timestamp created updated start end start_time end_time due_date amount price total balance currency status quantity stock count size iban account email recipient recipients participants members phone"
      .split(" ")
      .map((name) => [name, "service" as const]),
  ),
  sender: "author",
  from: "author",
  author: "author",
};
export const DRAFTED_AUTHOR = "sender";

/**
 * Fields that likely hold what is the user's alone: numbers of documents and cards, and what opens something. Short codes aren't among
 * them: any text may have such a number.
 */
export const DRAFTED_SECRETS: readonly string[] = [
  "card_number card_no credit_card credit_card_number debit_card_number ssn social_security_number passport_number passport_no",
  "driver_license driver_license_number license_number national_id national_id_number password passphrase",
  "private_key secret_key api_key access_key access_token refresh_token client_secret seed_phrase recovery_phrase mnemonic",
]
  .flatMap((names) => names.split(" "))
  .flatMap((name) => (name.includes("_") ? [name, camel(name)] : [name]));

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
