/**
 * Reading of an instruction for the kind of work that it asks for at most. It only ever narrows: a closed world of verbs, in which one word
 * that isn't known where a verb is expected means that anything may have been asked for. English; any other language is anything.
 */

import type { Errand } from "../contract/index.js";

const LENGTH_MAX = 4_000;
const wordSet = (words: string): ReadonlySet<string> => new Set(words.split(" "));

const LOOKS = wordSet(
  "read search find list show tell give get let know view see check look fetch retrieve describe explain summarize summarise compare count calculate compute estimate translate display browse visit navigate go identify analyse analyze review inspect examine determine understand learn hear watch scan recommend suggest advise provide choose pick",
);
const CHANGES = wordSet(
  "update change modify edit correct adjust rename move reschedule delete remove cancel clear archive mark unsubscribe reset replace increase decrease extend shorten",
);
/** Verbs of a state, or of what only people do: they ask for nothing. */
const STATES = wordSet("be have cost mean happen know expect stay eat sleep live arrive travel enjoy");
/** Openings of a statement: what somebody says of themselves or of a thing asks for nothing by itself. */
const SUBJECTS = wordSet("i i'm i'll i've we we're we'll we've my our it it's there this that he she they");
/** Wishes that are told apart by the verb behind them: "I want to know". */
const WISHES_TO = wordSet("want wants need needs like wish hope prefer");
const GREETING =
  /^\s*(?:(?:hi|hey|hello)(?: there)?|thanks?(?: you)?(?: (?:so much|very much|a lot|a bunch|in advance))?)(?=[\s,!.]|$)[\s,!.]*/iu;
/** "For dinner, find …": a few words before the clause. */
const ADJUNCT = /^\s*(?:for|in|on|at|during)(?: [\p{L}\d']+){1,4},/iu;
/** Nouns of what is asked about that could be verbs: they are nouns where their clause or list goes on without an object. */
const ASKED_ABOUT = wordSet("address rating cost");
const QUESTIONS = wordSet("what what's who who's whom whose when when's where where's which why how how's is are was were am does did has");
const MODALS = wordSet("can could would will may might shall");
const PERSONS = wordSet("i we you they he she it there any");
const FILLERS = wordSet("please kindly also then just now first next finally hi hello hey ok okay thanks thank");
const JOINS = wordSet("and or then but so please also plus while");
/** Words of wishes, after which an act may be put in any form. */
const WISHES = wordSet(
  "want wants need needs like wish should must let's lets rather prefer hope help ensure try i'd we'd you'd do don't go-ahead",
);
/** Openings of what is a proposal and not a question. */
const PROPOSAL = /^(?:(?:how|what) about|what if|why not|why do)\b/u;
/** Words that go on with a list, or with the same clause: none is a verb. */
const LISTED = wordSet(
  "a an the my your his her its our their this that these those all both any each every no some me us him them in on at of for from with about by until between during since within before after also as who which whose where when what how why if whether not including quoted details information summary status content contents number price date time location name description overview",
);
const INFORMED = wordSet(
  "details detail information info summary overview estimate list status link number name names address addresses content contents text date dates time times location description price prices rating ratings hours review reviews weather news results report answer total count idea",
);
const TO_ADJOINS = wordSet(
  "related relating belonging according linked attached addressed sent written up respect regard similar next close how going heading moving trip flight flying where compared navigate go access prior due cost costs",
);
const ABBREVIATION = /\b(?:dr|mr|mrs|ms|prof|st|no|vs|e\.g|i\.e)\.(?=\s)/giu;
const QUOTED = /"[^"\n]{1,200}"|“[^”\n]{1,200}”|(?<![\p{L}\d])['‘`][^'’`\n]{1,200}['’`](?![\p{L}\d])/gu;

/** Returns the most that an instruction asks for; null: anything, or it isn't understood. */
export function errandOf(text: string): Errand | null {
  if (text.length > LENGTH_MAX) return null;
  const plainly = text.replace(QUOTED, " quoted ").replace(ABBREVIATION, (one) => one.slice(0, -1));
  let errand: Errand | null = null;
  for (const [sentence] of plainly.matchAll(/[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?\n]?/gu)) {
    const asked = ofSentence(sentence);
    if (asked === null) return null;
    if (asked !== "nothing" && errand !== "change") errand = asked;
  }
  return errand;
}

function ofSentence(whole: string): Errand | "nothing" | null {
  const sentence = whole.replace(GREETING, "").replace(ADJUNCT, "");
  const words =
    sentence
      .toLowerCase()
      .replaceAll("’", "'")
      .match(/[^\s,;:.!?()]+(?:[.:][^\s,;:.!?()]+)*|[,;:]/gu) ?? [];
  if (PROPOSAL.test(words.join(" "))) return null;
  let errand: Errand | "nothing" = "nothing";
  // A verb is expected: at the start; after what joins, any other part may stand there, too; after "can you", "to" and "you" only a verb.
  let expected: "start" | "joined" | "verb" | null = "start";
  for (const [i, word] of words.entries()) {
    const [before = "", after = "", next = ""] = [words[i - 1], words[i + 1], words[i + 2]];
    if (word === "help" && (after === "me" || after === "us")) continue;
    if (before === "help" && (word === "me" || word === "us")) {
      expected = "verb";
      continue;
    }
    if ((WISHES_TO.has(word) && after === "to") || (/^(?:i|we)'d$/u.test(word) && after === "like" && next === "to")) {
      expected = null;
      continue;
    }
    if (WISHES.has(word) && !(word === "do" && PERSONS.has(after) && after !== "it")) return null;
    if (isActIn(word, before)) return null;
    if (expected === null) {
      if (JOINS.has(word) || /^[,;:]$/u.test(word)) expected = "joined";
      else if (MODALS.has(word) || (word === "you" && before !== "thank")) expected = "verb";
      else if (word === "to" && !TO_ADJOINS.has(before) && !/^\d/u.test(after)) expected = "verb";
      continue;
    }
    if (expected === "verb" && word === "to") continue;
    if (expected === "start" && ((SUBJECTS.has(word) && !sentence.trimEnd().endsWith("?")) || (word === "if" && after === "there"))) {
      expected = null;
      continue;
    }
    if (FILLERS.has(word) || JOINS.has(word) || /^[,;:]$/u.test(word) || /^\d+\)?$/u.test(word)) continue;
    if (MODALS.has(word) || (expected === "verb" && PERSONS.has(word))) {
      expected = "verb";
      continue;
    }
    if ((word === "make" && /^(?:sure|certain)$/u.test(after)) || (word === "take" && `${after} ${next}` === "a look")) {
      expected = null;
      if (errand === "nothing") errand = "look";
    } else if (CHANGES.has(word)) {
      errand = "change";
      expected = null;
    } else if (LOOKS.has(word)) {
      if (!isLook(word, words.slice(i + 1))) return null;
      if (errand === "nothing") errand = "look";
      expected = null;
    } else if (expected === "verb") {
      if (!STATES.has(word)) return null;
      expected = null;
    } else if (QUESTIONS.has(word) || ((word === "do" || word === "have") && PERSONS.has(after))) {
      // "When she writes, …" is no question.
      if (expected === "start" && !sentence.trimEnd().endsWith("?")) return null;
      if (errand === "nothing") errand = "look";
      expected = null;
    } else if (expected === "joined" && (LISTED.has(word) || /[^sui]s$/u.test(word) || isAskedAbout(word, after))) expected = null;
    else return null;
  }
  return errand;
}

/** True if the word asks for an act without standing where a verb is expected: "by replying", "can it be refunded". */
function isActIn(word: string, before: string): boolean {
  if (before === "be" && /(?:ed|en|sent|paid|put|made|done)$/u.test(word)) return true;
  return /^(?:by|mind|start|keep|for|of)$/u.test(before) && /.{2}ing$/u.test(word);
}

function isAskedAbout(word: string, after: string): boolean {
  return ASKED_ABOUT.has(word) && /^(?:|[,;:]|and|or|of|for|in|per)$/u.test(after);
}

/** True if a verb that may mean looking does: "get me the details" does, "get me a ticket" doesn't. */
function isLook(verb: string, [first = "", ...rest]: readonly string[]): boolean {
  const isMe = first === "me" || first === "us";
  switch (verb) {
    case "tell":
    case "let":
      return isMe;
    case "choose":
    case "pick":
      return first === "the" && /^ones?$/u.test(rest[0] ?? "");
    case "provide":
    case "give":
    case "get":
      return (isMe ? rest : [first, ...rest]).slice(0, 4).some((word) => INFORMED.has(word));
    case "show":
      return isMe || LISTED.has(first);
    case "check":
    case "look":
      return !/^(?:in|out|off|after|me|us)$/u.test(first);
    case "go":
    case "navigate":
      return first === "to";
    default:
      return true;
  }
}
