/**
 * What a user's instruction asks for, told before the agent does anything: which tools, by the words people use for what each does. It is a
 * dictionary and not a model: the same instruction always asks for the same, and nothing that is read later can add to it.
 */
import type { Tool } from "./catalogue.js";
import { stem } from "./text.js";

/** Words of one line stand for each other: a tool of one is asked for by any. */
const ACTS = [
  "send email mail write reply respond answer forward tell inform notify let message post dm text contact ask share say remind thank greet welcome congratulate invite deliver",
  "post publish tweet announce share upload write send put message",
  "create add make write schedule book set plan save register open draft generate note arrange organize compose put insert start prepare block invite new",
  "invite add bring include invited join",
  "schedule plan set create book arrange reschedule recurring monthly every",
  "reschedule move push postpone shift delay change update adapt adjust earlier later",
  "add append include insert put extend invite write attach join complete",
  "append add write extend insert include put complete continue save",
  "update edit modify change move rename replace set adjust correct fix increase decrease extend shift adapt refresh edit",
  "delete remove cancel clear drop erase discard trash unsubscribe rid clean",
  "cancel delete remove call drop",
  "pay transfer send wire refund reimburse donate settle cover return split buy purchase owe repay",
  "transfer pay send wire move refund reimburse",
  "buy purchase order checkout get pay",
  "order buy purchase get place",
  "checkout buy purchase order pay check",
  "reserve book reservation booking rent arrange",
  "book reserve reservation booking arrange schedule",
  "refund return cancel money back",
  "share give access grant send permission invite",
  "download save fetch get",
  "verify confirm checkout buy purchase login change update log password verification",
  "login log sign",
  "unlock open let",
  "grant give allow share",
  "upload put save add",
  "copy duplicate backup put",
  "submit fill enter register apply",
  "input fill enter submit register complete apply type",
  "call phone ring",
  "browse visit open read look see website page link url article site click summarize",
].map(stems);

/** The same of things. */
const THINGS = [
  "email mail message inbox note newsletter reply",
  "event meeting calendar appointment lunch dinner breakfast call sync session party trip workshop reminder",
  "file document doc folder drive sheet report list docx xlsx txt pdf spreadsheet",
  "money payment transaction transfer bill rent invoice refund refunded cash amount subscription fee",
  "scheduled transaction payment standing rent subscription recurring",
  "participant attendee guest person people invite",
  "password passcode credential",
  "user person member people",
  "info information address street city profile name detail",
  "channel group",
  "hotel room stay accommodation",
  "restaurant table dinner lunch",
  "car vehicle rental",
  "product item cart thing",
  "webpage page website link url site article blog post form",
  "node file directory folder",
].map(stems);

/** How people say what is done with some things, whatever the tool is called. */
const OF_THINGS: readonly (readonly [things: ReadonlySet<string>, acts: ReadonlySet<string>])[] = (
  [
    ["money transaction payment fund transfer bill bitcoin", "pay send transfer wire refund reimburse donate settle cover return repay"],
    ["mail email", "mail email send write reply respond answer forward tell inform notify thank"],
    ["message", "message send write reply respond answer tell inform notify dm post greet thank welcome"],
    ["event meeting appointment", "schedule plan meet invite book"],
    ["participant", "invite add include"],
    ["cart product checkout order", "buy rebuy purchase order reorder checkout"],
    ["hotel restaurant car flight room table", "book reserve rent"],
  ] as const
).map(([things, acts]) => [stems(things), stems(acts)]);

/** "Do what the list says": what is asked for stands elsewhere. */
const HANDS_ON =
  /\b(?:do|perform|follow|fulfil|fulfill|complete|execute|carry out|handle|take care of|finish|act on|work through)\b[^.?!]{0,60}\b(?:actions?|instructions?|tasks?|to-?dos?|steps?|requests?|items?|things|work)\b/i;

/** Words that name a thing as often as they say what to do with it. */
const EITHER = stems(
  "mail email message post note book plan order share call text invite schedule transfer refund contact check answer reply",
);
const BEFORE_ACT = new Set([
  "please",
  "to",
  "and",
  "then",
  "also",
  "you",
  "or",
  "not",
  "forget",
  "now",
  "must",
  "should",
  "i",
  "me",
  "us",
  "just",
  "finally",
  "next",
  "lets",
  "either",
]);

/** A payment, a reservation: what was or will be done, as a thing. */
const NAMED_ACT = /(?:ments?|[ai]tions?|als?)$/;
/** What an assistant does by answering. */
const ANSWERS = new Set(["tell", "inform", "notify", "let", "say", "remind", "show", "give"]);

function stems(words: string): Set<string> {
  return new Set(words.split(" ").map(stem));
}

/** A word with those that stand for it: those of the line that it begins, or of every line that it is in. */
function alike(word: string, lines: readonly ReadonlySet<string>[]): Set<string> {
  const wanted = stem(word);
  const own = lines.filter((line) => [...line][0] === wanted);
  return new Set([wanted, ...(own.length > 0 ? own : lines.filter((line) => line.has(wanted))).flatMap((line) => [...line])]);
}

interface Said {
  /** Everything, shortened. */
  words: ReadonlySet<string>;
  /** What can be something to do. */
  acts: ReadonlySet<string>;
  handedOn: boolean;
}

function read(text: string): Said {
  const acts = new Set<string>();
  const words = new Set<string>();
  for (const sentence of text.toLowerCase().split(/[.!?:;,\n]+\s*|\d\.\s/)) {
    const all = sentence.match(/[\p{L}\d]+/gu) ?? [];
    for (const [i, word] of all.entries()) {
      const short = stem(word);
      words.add(short);
      const [before = "", after = ""] = [all[i - 1], all[i + 1]];
      if (NAMED_ACT.test(word) || (ANSWERS.has(word) && (after === "me" || after === "us"))) continue;
      if (i === 0 || !EITHER.has(short) || BEFORE_ACT.has(before)) acts.add(short);
    }
  }
  return { words, acts, handedOn: handsOn(text) };
}

const anyOf = (some: Iterable<string>, said: ReadonlySet<string>): boolean => [...some].some((word) => said.has(word));

export function handsOn(instruction: string): boolean {
  return HANDS_ON.test(instruction);
}

/** Whether an instruction speaks of what an argument is for, such as whom to invite. */
export function speaksOf(instruction: string, argument: readonly string[]): boolean {
  const { words } = read(instruction);
  return argument.some((word) => anyOf(alike(word, THINGS), words));
}

/** Names of the tools that an instruction asks for. To look needs no asking. */
export function askedOf(instruction: string, tools: readonly Tool[]): string[] {
  const said = read(instruction);
  return tools.filter((tool) => tool.does !== "look" && asksFor(said, tool)).map(({ name }) => name);
}

function asksFor({ words, acts, handedOn }: Said, { verb, nouns, does, places, thing }: Tool): boolean {
  // Nothing is taken away, and no account changes hands, because a list says so.
  if (handedOn && does !== "destroy" && does !== "settings") return true;
  const things = new Set(nouns.map(stem));
  // Nobody says "get": a page is meant where one is spoken of.
  if (does === "fetch")
    return anyOf(
      [...nouns, "webpage"].flatMap((noun) => [...alike(noun, THINGS)]),
      words,
    );
  const special = OF_THINGS.filter(([of]) => anyOf(of, things)).flatMap(([, does]) => [...does]);
  if (!anyOf(alike(verb, ACTS), acts) && !((does === "add" || does === "keep") && anyOf(special, acts))) return false;
  // What it is about is seen by where it goes, or by what it changes.
  if (nouns.length === 0 || places.length > 0 || thing !== null)
    return (
      does !== "settings" ||
      anyOf(
        nouns.flatMap((noun) => [...alike(noun, THINGS)]),
        words,
      )
    );
  return anyOf(
    nouns.flatMap((noun) => [...alike(noun, THINGS)]),
    words,
  );
}

/** Tools that the user's own side asks for when it answers: "verify your account to go on". By their own words only. */
export function askedBy(answer: string, tools: readonly Tool[]): string[] {
  const { words, acts } = read(answer);
  return tools
    .filter(
      ({ verb, nouns, does }) => (does === "add" || does === "keep") && acts.has(stem(verb)) && nouns.some((noun) => words.has(stem(noun))),
    )
    .map(({ name }) => name);
}
