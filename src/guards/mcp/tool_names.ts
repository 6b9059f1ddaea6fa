/**
 * Reads what a server calls its tools, for a draft: which word says what is done, and which say to what. Names are written in many ways:
 * `getUser`, `slack_list_channels`, `monitor_create`, `db.query`, `web_search_exa`, `retrieve-a-page`.
 */
import { EFFECTS } from "../../contract/index.js";
import { verbEffect } from "./roles.js";

export interface ToolName {
  /** Word that says what is done; it may be one that no list of verbs has. */
  verb: string;
  /** Words for what it is done to. */
  nouns: readonly string[];
}

const ARTICLES = new Set(["a", "an", "the"]);
/** Words between a verb and what it is done to. */
const BETWEEN = new Set("to for from in into on at of with by".split(" "));
/** Between two verbs: `get_or_create_tag`. */
const JOINING = new Set(["and", "or"]);
/** Two words that are another verb than the first: a guest is checked in, a card topped up. */
const PHRASES = new Set([
  "check in",
  "check out",
  "top up",
  "cash out",
  "log in",
  "log out",
  "sign in",
  "sign out",
  "sign up",
  "opt in",
  "opt out",
]);
/** Nouns that say of the words before them that these aren't a verb: an order's details are looked at, and nothing is ordered. */
const FACTS = new Set("details detail info information history statistics stats".split(" "));
const NOUNS_BEFORE_FACTS = new Set("order place book schedule draft note".split(" "));

/** `getUserDetails`, `get-user_details` → get, user, details. */
export function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}

/** `getUserDetails` → `get_user_details`. */
export function snake(name: string): string {
  return wordsOf(name).join("_");
}

/**
 * Reads the names of a server's tools, since what all of them begin or end with says nothing of one.
 * @param tools name → whether the server says that it only reads; null where it says nothing
 * @param server name that the server gives itself
 */
export function readToolNames(tools: ReadonlyMap<string, boolean | null>, server: string): Map<string, ToolName> {
  const all = new Map([...tools.keys()].map((name) => [name, withoutArticles(wordsOf(name))]));
  const own = new Set(wordsOf(server));
  const begin = sharedWords([...all.values()], (word) => verbEffect(word) === null && !OTHER_VERBS.has(word));
  const end = sharedWords(
    [...all.values()].map((words) => words.slice(begin.length).toReversed()),
    (word) => own.has(word) && verbEffect(word) === null,
  );
  const domains = domainsOf([...all.values()].map((words) => words.slice(begin.length)));
  return new Map(
    [...all].map(([name, words]) => {
      const rest = words.slice(begin.length, words.length - end.length);
      // Its space is no verb, whatever it is called.
      const space = rest.slice(0, Math.min(Math.max(0, spaceOf(name).length - begin.length), rest.length - 1));
      const [verb = "", ...others] = ordered(rest.slice(space.length), tools.get(name) ?? null, domains);
      const nouns = [...space, ...others];
      return [name, { verb, nouns: nouns.length > 0 || begin.length === 0 ? nouns : aboutAll(begin, verb) }];
    }),
  );
}

/** Words before the last separator of `db.query`, `crm/orders/list` or `Api--ListOrders`. */
function spaceOf(name: string): string[] {
  return withoutArticles(wordsOf(/^(.*)(?:[./:]|--)[^./:]*[A-Za-z0-9]/.exec(name)?.[1] ?? ""));
}

function withoutArticles(words: readonly string[]): string[] {
  return words.filter((word, i) => i === 0 || i === words.length - 1 || !ARTICLES.has(word));
}

/** The words that fit and with which all begin, at most all but the last of each; none of a single one. */
function sharedWords(all: readonly (readonly string[])[], fits: (word: string) => boolean): string[] {
  const [first = [], ...others] = all;
  if (others.length === 0) return [];
  const ends = (word: string, i: number): boolean => !fits(word) || all.some((one) => one[i] !== word || i + 1 === one.length);
  return first.slice(0, Math.max(first.findIndex(ends), 0));
}

/** The verb first. Of what may be a noun nothing lighter follows than of what it would be as a verb. */
function ordered(words: readonly string[], readOnly: boolean | null, domains: ReadonlySet<string>): readonly string[] {
  const [first = "", ...rest] = words;
  const graver = words.some((word) => JOINING.has(word)) ? gravestOf(words) : undefined;
  if (graver !== undefined) return [graver, ...words.filter((word) => word !== graver && !JOINING.has(word))];
  const [second = "", ...others] = rest;
  if (PHRASES.has(`${first} ${second}`)) return [`${first}_${second}`, ...others];
  const isFact = NOUNS_BEFORE_FACTS.has(first) && FACTS.has(words.at(-1) ?? "") && readOnly !== false;
  if (isFact && (words.length === 2 || readOnly === true)) return ["get", ...words];
  if (verbEffect(first) !== null || OTHER_VERBS.has(first)) return [first, ...withoutBetween(rest)];
  const changes = words.some((word) => !["look", "fetch", null].includes(verbEffect(word)));
  const says = (word: string): boolean =>
    verbEffect(word) === "look" || verbEffect(word) === "fetch"
      ? !changes && readOnly !== false && (readOnly === true || LOOKS_ANYWHERE.has(word))
      : CHANGES_ANYWHERE.has(word);
  const verb = rest.find(says);
  if (verb !== undefined) return [verb, ...words.toSpliced(words.indexOf(verb), 1)];
  if (readOnly === true && rest.length > 0 && !changes) return ["get", ...words];
  return domains.has(first) && rest.length > 0 ? [...rest.slice(0, 1), first, ...rest.slice(1)] : [first, ...withoutBetween(rest)];
}

/** The verb among the words that does the gravest; undefined: none is known. */
function gravestOf(words: readonly string[]): string | undefined {
  return EFFECTS.toReversed().flatMap((effect) => words.filter((word) => verbEffect(word) === effect))[0];
}

/** A verb that is all that is left is done to what all tools are about; one that nobody knows is a thing of its own. */
function aboutAll(begin: readonly string[], verb: string): readonly string[] {
  return verbEffect(verb) === null ? [...begin, verb] : begin;
}

/** First words of several tools that aren't verbs, since a verb follows in one of them: `pod_get`, `pod_scale`. */
function domainsOf(all: readonly (readonly string[])[]): Set<string> {
  const first = all.flatMap(([word = ""]) => (verbEffect(word) === null && !OTHER_VERBS.has(word) ? [word] : []));
  const isBeforeVerb = (word: string): boolean =>
    all.some(([one, next = ""]) => one === word && (CHANGES_ANYWHERE.has(next) || LOOKS_ANYWHERE.has(next)));
  return new Set(first.filter((word) => first.filter((one) => one === word).length > 2 && isBeforeVerb(word)));
}

/** Verbs that are hardly nouns, wherever they stand in a name; of others the first word counts: a list is purged, a comment typed. */
const CHANGES_ANYWHERE = new Set(
  "create add insert update edit modify delete remove destroy send publish upload apply start stop run execute enable disable pay transfer buy purchase submit approve withdraw reserve".split(
    " ",
  ),
);
const LOOKS_ANYWHERE = new Set("get read fetch search find lookup describe retrieve inspect download".split(" "));
/** Verbs that may do anything, so that no effect is known of them. */
const OTHER_VERBS = new Set(
  "resolve export import evaluate select wait type press take handle connect disconnect invoke exec eval purge wipe save abort pause rotate drain flush truncate trigger sync charge restore rollback simulate".split(
    " ",
  ),
);

function withoutBetween(words: readonly string[]): readonly string[] {
  return BETWEEN.has(words[0] ?? "") ? words.slice(1) : words;
}

/** Returns the words with the last one in the singular. */
export function singular(all: readonly string[]): string[] {
  return all.map((word, i) =>
    i < all.length - 1 || word.length < 4 || /(ss|us|is)$/.test(word)
      ? word
      : word
          .replace(/ies$/, "y")
          .replace(/(ch|sh|x)es$/, "$1")
          .replace(/s$/, ""),
  );
}

/** True for words such as `customer orders`, and not for one thing's `details`. */
export function namesMany(nouns: readonly string[]): boolean {
  const last = nouns.at(-1);
  return last !== undefined && singular(nouns).at(-1) !== last && !FACTS.has(last);
}
