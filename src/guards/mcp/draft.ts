/**
 * A first policy for a server, drafted from what its tools say of themselves: words, purposes and the guard's mapping. It is
 * something to start from, so it permits nothing: every line waits for a person until an author has moved it.
 */
import { TOOL_NAME, isObject } from "../../mapping/call_mapping.js";
import { FOLDER_WRITES, fileTool, folderOf, listsFolders, severalFiles, type FileTool } from "./file_tools.js";
import { DRAFTED_AUTHOR, DRAFTED_SECRETS, DRAFTED_WRITES, effectOfTool, isGivenId, readsText, roleOfArgument } from "./roles.js";
import { idSource, leavesOf, partsOf, roomy, sourceOf, type ArgumentPart } from "./argument_parts.js";
import { FIELDS_MAX, numbered, wordOf } from "./policy_words.js";
import { readToolSchema, withoutNull, type Schema, type ToolSchema } from "./tool_schemas.js";
import { IdGuesses, type IdArguments } from "./id_arguments.js";
import { namesMany, readToolNames, singular, snake, wordsOf, type ToolName } from "./tool_names.js";
import { UriPattern } from "../../mapping/uri_pattern.js";
import { without } from "../../system/without.js";
import { EFFECTS, type Role, type VerbEffect } from "../../contract/index.js";
import type { Survey } from "./survey.js";
import { block, flow, wrapped, type Yaml } from "./yaml_text.js";

export interface Draft {
  /** File name → content. */
  files: Record<"vocabulary.yaml" | "purposes.yaml" | "guard.yaml", string>;
  /** Remarks that an author has to look at first. */
  remarks: string[];
}

export interface DraftOptions {
  /** Server, as `guard.yaml` names it. */
  server: { command?: string[]; dir?: string; url?: string; revision?: string };
}

type VerbClass = "read" | "write" | "send";

interface Type {
  id: "name" | "path";
  arguments: Map<string, Yaml>;
  /** Argument → what it is for; and what verbs do to it. */
  roles: Map<string, Role>;
  effects: Map<string, VerbEffect>;
  /** Read as a text, such as a file or a page, whose fields have whatever names its author likes. */
  isText: boolean;
  /** Role of another resource → its type. */
  related: Map<string, string>;
}

interface Entry {
  verb: string;
  type: string;
  mapped: { [key: string]: Yaml };
  /** Arguments that have no place in a vocabulary. */
  left: string[];
  /** Folder in which its relative paths are taken to be; null: they are refused. Left out: it takes none, or says where they are. */
  folder?: string | null;
}

/** Tool of which one call names several files, by this argument. */
interface SeveralFiles {
  several: string;
}

/** A tool, as its server tells of it. */
interface SaidTool {
  name: string;
  words: ToolName;
  tool: Schema;
  schema: ToolSchema;
  /** Its paths of files; null: it takes none. */
  files: FileTool | null;
}

/** The first word of a tool's name → the verb it most likely means. */
const VERBS: Readonly<Record<string, [verb: string, of: VerbClass]>> = {
  ...words("read", "read", "get fetch read show view describe download inspect retrieve load check"),
  ...words("search", "read", "search find list query lookup browse count"),
  ...words("create", "write", "create add new insert make open write register upload book schedule"),
  ...words("update", "write", "update edit set modify change patch put rename move replace assign append"),
  ...words("delete", "write", "delete remove destroy drop clear cancel close archive"),
  ...words("send", "send", "send post publish email notify reply share message forward invite"),
};
/** Verbs of files that are named. */
const FILE_VERBS: Readonly<Record<NonNullable<FileTool["verb"]>, [verb: string, of: VerbClass]>> = {
  list: ["list", "read"],
  write: ["write", "write"],
  move: ["move", "write"],
  copy: ["copy", "write"],
};
/** Words that only look where their server says that they do: a file is opened, a box is opened. */
const LOOKS_IF_SAID = new Set(["open"]);
/** Verbs of a collection, where nothing is named yet. They replace the usual verb if a tool names nothing and that verb needs a name. */
const NAMES_NOTHING: Readonly<Record<string, string>> = { read: "search", update: "change", delete: "clear" };
const COLLECTIONS = new Set(["search", "create", "send"]);
/** Verbs of one thing. */
const NEEDS_ID = new Set(["read", "update", "delete"]);
function words(verb: string, of: VerbClass, all: string): Record<string, [string, VerbClass]> {
  return Object.fromEntries(all.split(" ").map((word) => [word, [verb, of]]));
}

export function draft({ server, tools, prompts, resources, templates }: Survey, options: DraftOptions): Draft {
  const folder = folderOf(options.server.command);
  const remarks: string[] = [];
  const listed = new Map<string, Schema>();
  for (const tool of tools) {
    const { name } = isObject(tool) ? tool : {};
    if (typeof name !== "string" || !TOOL_NAME.test(name)) remarks.push("a tool has no name that a tool has: it is left out");
    else if (listed.has(name)) remarks.push(`\`${name}\` is listed twice: it can't be called through the guard`);
    else listed.set(name, tool as Schema);
  }
  const names = readToolNames(new Map([...listed].map(([name, tool]) => [name, readOnlyOf(tool)])), server);
  const said = [...names].map(([name, words]) => {
    const tool = listed.get(name) ?? {};
    const schema = readToolSchema(tool);
    return { name, words, tool, schema, files: filesOf([words.verb, ...words.nouns], schema) };
  });
  const takesFiles = said.some(({ files }) => files !== null);
  const ids = new IdGuesses(said.map(({ schema }) => schema.required));
  const drafting = new Drafting(remarks, folder, takesFiles, ids);
  const purpose = wordOf(wordsOf(server), "server");
  const mapped = new Map<string, Entry | SeveralFiles>();
  for (const { name, words, tool, schema, files } of said) {
    if (files === null || !("several" in files)) mapped.set(name, drafting.tool({ name, words, tool, schema, files }));
    else {
      mapped.set(name, files);
      drafting.remark(
        `\`${name}\`: one call names several files (\`${files.several}\`), and each would have to be decided by itself: it isn't mapped, so it is refused`,
      );
    }
  }
  const guessed = [...mapped].flatMap(([name, entry]) => ("several" in entry || entry.folder === undefined ? [] : [`\`${name}\``]));
  if (guessed.length > 0) {
    const taken = folder === null ? "are refused" : `are taken to be in \`${folder}\``;
    drafting.remark(
      `${guessed.join(", ")}: relative paths ${taken}; where the server looks for them elsewhere, a \`never\` on a path misses them: write the folder as \`in\``,
    );
  }
  const patterns: UriPattern[] = [];
  const readable = templates.concat(resources).flatMap((one) => {
    const uri = uriOf(one);
    if (patterns.some((pattern) => pattern.match(uri) !== null)) return [];
    const drafted = drafting.resource(uri);
    if (drafted !== undefined) patterns.push(new UriPattern(uri));
    return drafted ?? [];
  });
  const got = prompts.flatMap((one) => drafting.prompt(one) ?? []);
  return {
    files: {
      "vocabulary.yaml": drafting.vocabulary(server),
      "purposes.yaml": drafting.purposes(purpose, server),
      "guard.yaml": guardText(purpose, options, mapped, readable, got),
    },
    remarks,
  };
}

class Drafting {
  /** Names by which tools take the ids that their server gives. */
  readonly #ids = new Set<string>();
  /** Type → the arguments by which the first of its tools names one. */
  readonly #named = new Map<string, { parts: readonly string[]; tool: string }>();
  readonly #verbs = new Map<string, { class: VerbClass; collection: boolean }>();
  readonly #types = new Map<string, Type>();
  /** Verb → types. */
  readonly #lines = new Map<string, Set<string>>();

  /**
   * @param folder in which relative paths are; null: they are refused
   * @param takesFiles whether the server has tools that take files by their paths
   * @param guesses by which arguments its tools name things
   */
  constructor(
    readonly remarks: string[],
    readonly folder: string | null,
    readonly takesFiles: boolean,
    readonly guesses: IdGuesses,
  ) {}

  remark(text: string): void {
    this.remarks.push(text);
  }

  tool({ name, words: { verb: first, nouns: rest }, tool, schema, files }: SaidTool): Entry {
    const { properties, required } = schema;
    const readOnly = readOnlyOf(tool);
    const fileVerb = files?.verb ?? null;
    const usual = fileVerb === null ? verbOf(first, readOnly) : FILE_VERBS[fileVerb];
    // A server that says that it doesn't only read is believed, whatever it calls its tool.
    const saysItChanges = usual[1] === "read" && readOnly === false;
    const [known, knownClass] = saysItChanges ? [null, null] : usual;
    const own = wordOf(singular(rest), "tool");
    const type = files?.type ?? (files === null && this.takesFiles ? typeBesideFiles(own, [first, ...rest]) : own);
    const id = this.#idOf(required, files, COLLECTIONS.has(known ?? "") ? null : rest);
    if (id !== null) this.#namedBy(type, [...id.within, id.id], name);
    // What a server says of itself is a hint: one that says too much only costs an author a look.
    const verbClass = knownClass ?? (readOnly === true ? "read" : "write");
    const word = known ?? wordOf(saysItChanges ? [first, "write"] : [first], "do");
    const verb = this.#verb(word, verbClass, id === null);
    this.#line(verb, type);
    const snakes = Object.keys(properties).map(snake);
    const said = effectOfTool([fileVerb === "list" ? "list" : first, ...rest], readOnly, snakes, destructiveOf(tool));
    // What is written at a path may replace what is there.
    const effect = files !== null && (said === "keep" || said === "add") ? "alter" : said;
    const drafted = this.#type(type, id?.id ?? null);
    if (files !== null) drafted.id = "path";
    // Two tools of one verb and type: the graver counts.
    const other = drafted.effects.get(verb);
    drafted.effects.set(verb, graverEffect(effect, other));
    // What several arguments say is looked at in each.
    if (id !== null && (files !== null || id.within.length === 0)) drafted.roles.set("id", "locator");
    if (type !== "folder" && !COLLECTIONS.has(known ?? "") && readsText(effect, snakes)) drafted.isText = true;
    const to = files?.to ?? null;
    const beside = to === null ? properties : without(properties, to);
    const drawn = this.#arguments(drafted, id, beside, name, effect, files !== null);
    if (id === null && NEEDS_ID.has(known ?? "") && !namesMany(rest)) this.#withoutId(name, type, this.guesses.of(properties, rest));
    if (files === null || id === null) return { verb, type, ...drawn };
    const mapped = { ...drawn.mapped, ...this.#paths(drafted, type, files, id.within) };
    return { verb, type, ...drawn, mapped, ...(!files.isWithin && { folder: this.folder }) };
  }

  /** Remembers by which arguments a tool names one of a type, and says where another one does so otherwise. */
  #namedBy(type: string, parts: readonly string[], tool: string): void {
    const first = this.#named.get(type) ?? { parts, tool };
    this.#named.set(type, first);
    if (parts.length === first.parts.length) return;
    const of = (all: readonly string[]): string => all.map((one) => `\`${one}\``).join(", ");
    this.remark(
      `\`${first.tool}\` names a ${type} by ${of(first.parts)}, \`${tool}\` by ${of(parts)}: a \`never\` on the id of the one misses the other`,
    );
  }

  /** @param nouns for what it names one of; null: its verb names none */
  #idOf(required: Schema, files: FileTool | null, nouns: readonly string[] | null): IdArguments | null {
    if (files !== null) return { id: files.id, within: this.guesses.aroundFile(files.id) };
    return nouns === null ? null : this.guesses.of(required, nouns);
  }

  /** @param optional what would name one, if each call had it */
  #withoutId(tool: string, type: string, optional: IdArguments | null): void {
    this.remark(
      optional === null
        ? `\`${tool}\`: no argument looks like the id of the ${type}; if one is, write \`id\``
        : `\`${tool}\`: a call may leave \`${optional.id}\` out, so it isn't the id of the ${type}; if no call does, write \`id\``,
    );
  }

  /**
   * The files that a call names, each in the one spelling of its path.
   * @param within arguments that say where its path begins
   */
  #paths(type: Type, name: string, { id, to, isWithin }: FileTool, within: readonly string[]): { [key: string]: Yaml } {
    const folder = isWithin ? "/" : this.folder;
    const pathOf = (argument: string): Yaml => {
      const path: Yaml = { path: sourceOf([argument]), ...(folder !== null && { in: folder }) };
      return within.length === 0 ? path : { joined: [...within.map((one) => sourceOf([one])), path] };
    };
    if (to === null) return { id: pathOf(id) };
    type.related.set("to", name);
    type.roles.set("related.to", "locator");
    return { id: pathOf(id), related: { to: { type: name, id: pathOf(to) } } };
  }

  /** A template or a resource of its own; undefined where nothing can be said of it. */
  resource(uri: string): { uri: string; entry: Entry } | undefined {
    const variables = [...uri.matchAll(/\{([^{}]*)\}/g)].map(([, variable = ""]) => variable);
    try {
      new UriPattern(uri);
    } catch {
      this.remark(`resource \`${comment(uri)}\` isn't one that the guard's patterns can say: it is left out`);
      return undefined;
    }
    const last = variables.at(-1);
    const segments = uri
      .replace(/^[^:]*:\/*/, "")
      .split("/")
      .filter((segment) => segment !== "" && !segment.includes("{"));
    const named = last ?? (segments.length > 1 ? segments.at(-1) : undefined);
    const type = wordOf(singular(wordsOf(segments.at(last === undefined && segments.length > 1 ? -2 : -1) ?? "resource")), "resource");
    const verb = this.#verb("read", "read", named === undefined);
    this.#type(type, null).isText = true;
    this.#line(verb, type);
    const ignore = variables.slice(0, -1);
    if (ignore.length > 0) this.remark(`resource \`${comment(uri)}\`: ${ignore.join(", ")} is ignored; make it an attribute if it matters`);
    const id: Yaml | undefined = last ?? (named === undefined ? undefined : { is: named });
    return { uri, entry: { verb, type, mapped: { ...(id !== undefined && { id }), ...(ignore.length > 0 && { ignore }) }, left: [] } };
  }

  prompt(one: unknown): { name: string; entry: Entry } | undefined {
    const { name, arguments: given } = isObject(one) ? one : {};
    if (typeof name !== "string" || !TOOL_NAME.test(name)) return undefined;
    const verb = this.#verb("read", "read", false);
    this.#type("prompt", null);
    this.#line(verb, "prompt");
    const ignore = Array.isArray(given)
      ? given.flatMap((argument: unknown) => (isObject(argument) && typeof argument["name"] === "string" ? [argument["name"]] : []))
      : [];
    return { name, entry: { verb, type: "prompt", mapped: { id: { is: name }, ...(ignore.length > 0 && { ignore }) }, left: [] } };
  }

  #verb(wanted: string, verbClass: VerbClass, namesNothing: boolean): string {
    const collection = COLLECTIONS.has(wanted);
    const named = namesNothing && !collection ? (NAMES_NOTHING[wanted] ?? wanted) : wanted;
    const there = this.#verbs.get(named);
    // One verb either names a resource or none, and has one class.
    const fits = there === undefined || (there.collection === namesNothing && there.class === verbClass);
    const verb = fits ? named : `${named}_${namesNothing ? "all" : "one"}${there.class === verbClass ? "" : `_${verbClass}`}`;
    this.#verbs.set(verb, { class: verbClass, collection: namesNothing });
    return verb;
  }

  #type(name: string, id: string | null): Type {
    const type = this.#types.get(name) ?? {
      id: "name",
      arguments: new Map(),
      roles: new Map(),
      effects: new Map(),
      isText: false,
      related: new Map(),
    };
    if (id !== null && /path|file|dir/i.test(id)) type.id = "path";
    this.#types.set(name, type);
    return type;
  }

  #line(verb: string, type: string): void {
    const types = this.#lines.get(verb) ?? new Set<string>();
    this.#lines.set(verb, types.add(type));
  }

  #arguments(
    type: Type,
    id: IdArguments | null,
    properties: Schema,
    tool: string,
    effect: VerbEffect,
    isFile: boolean,
  ): Pick<Entry, "mapped" | "left"> {
    const mapped: { [key: string]: Yaml } = {};
    const named: { [key: string]: Yaml } = {};
    const left: string[] = [];
    for (const [argument, schema] of Object.entries(properties)) {
      const source = sourceOf([argument]);
      if (isGivenId(snake(argument)) && /^[A-Za-z_][\w-]{0,63}$/.test(argument) && this.#ids.size < FIELDS_MAX)
        this.#ids.add(argument.replace(/s$/, ""));
      const isOwn = argument === id?.id;
      if (isOwn && (isFile || id.within.length === 0)) {
        mapped["id"] = idSource(argument, schema);
        continue;
      }
      if (isOwn) mapped["id"] = { joined: [...id.within, argument].map((one) => idSource(one, properties[one])) };
      const isId = isObject(schema) && withoutNull(schema)["type"] === "string" && /_id$/.test(snake(argument));
      const said = wordsOf(argument);
      const parts: ArgumentPart[] = isId
        ? [{ words: said, inside: [], value: "id", source }]
        : (partsOf([argument], said, schema) ?? [leavesOf(argument, schema)]);
      const fields: { [key: string]: Yaml } = {};
      for (const part of parts) {
        const isContent = [part.words.join("_"), ...part.inside].some((one) => roleOfArgument(one, "add", false) === "content");
        const field = this.#field(type, isContent ? { ...part, value: roomy(part.value) } : part, { ...named, ...fields }, tool);
        if (field === null) continue;
        fields[field] = part.source;
        // Where a member says whom to tell, so does the argument.
        const place = part.member === undefined ? field : `${field}.${part.member}`;
        for (const name of [part.words.join("_"), ...part.inside]) {
          const role = roleOfArgument(name, effect, isOwn) ?? (part.member !== undefined && effect !== "look" ? "content" : null);
          if (role !== null) type.roles.set(place, graver(role, type.roles.get(place)));
        }
      }
      if (Object.keys(fields).length === parts.length) Object.assign(named, fields);
      else left.push(argument);
    }
    if (Object.keys(named).length > 0) mapped["arguments"] = named;
    if (left.length > 0)
      this.remark(
        `\`${tool}\`: ${left.map((one) => `\`${one}\``).join(", ")} is one argument too many for a type; calls with it are refused until it is mapped or ignored`,
      );
    return { mapped, left };
  }

  /**
   * An argument of a type has one meaning, whichever tool's it is; two of one tool have two names.
   * @returns null if the type has as many as it may
   */
  #field(type: Type, { words: said, value }: ArgumentPart, taken: object, tool: string): string | null {
    const wanted = wordOf(said, "value");
    const ofTool = `${wanted}_of_${wordOf(wordsOf(tool), "tool")}`.slice(0, 64);
    for (const name of [wanted, ofTool, ...numbered(wanted)]) {
      const there = type.arguments.get(name);
      if (Object.hasOwn(taken, name) || (there !== undefined && flow(there) !== flow(value))) continue;
      if (there === undefined && type.arguments.size >= FIELDS_MAX) return null;
      type.arguments.set(name, value);
      return name;
    }
    return null;
  }

  vocabulary(server: string): string {
    const effectOf = new Map<string, VerbEffect>();
    for (const { effects } of this.#types.values())
      for (const [verb, effect] of effects) effectOf.set(verb, graverEffect(effect, effectOf.get(verb)));
    const verbs = Object.fromEntries(
      [...this.#verbs].map(([name, { class: of, collection }]) => {
        const effect = effectOf.get(name);
        return [name, { class: of, ...(collection && { collection }), ...(effect !== undefined && { effect }) }];
      }),
    );
    const types = Object.fromEntries(
      [...this.#types].map(([name, { id, arguments: all, roles, effects, isText, related }]) => {
        const own = [...effects].filter(([verb, effect]) => effectOf.get(verb) !== effect);
        const writes = id === "path" && name === "folder" ? FOLDER_WRITES : isText ? null : "common";
        return [
          name,
          {
            ...(id === "path" && { id }),
            ...(all.size > 0 && { arguments: Object.fromEntries(all) }),
            ...(related.size > 0 && { related: Object.fromEntries(related) }),
            ...(roles.size > 0 && { roles: Object.fromEntries(roles) }),
            ...(writes !== null && { writes }),
            ...(own.length > 0 && { effects: Object.fromEntries(own) }),
          },
        ];
      }),
    );
    return [
      `# Drafted from the tools of ${comment(server)}. A verb, type, attribute or argument that isn't here is refused at the door.`,
      "# `effect` says what a verb does: a guess by tools' names. Correct what pays, sends, changes or deletes something by another word.",
      block({ verbs }, 1),
      "",
      "task: # what one piece of work is about; then say in `about` how each type relates to it",
      "  subjects: []",
      "  attributes: {instruction: {string: {max: 8000}}} # the user's own words, where the host has them",
      "",
      "# Which facts are the user's own word, and who belongs to the organisation: `own` and `members` name attributes of agent or task.",
      "# `writes` say who could have written a field of an answer, for types with `writes: common`. They are guesses: look at each, and write",
      "# out `writes` of a type whose fields are others'. A type without `writes` is read as a text, such as a file or a page: all in it is anyone's.",
      "# `secret_fields` hold what is sent nowhere. Leave out those that a tool takes for what it is for.",
      "flow:",
      "  instruction: task.instruction",
      ...(Object.values(types).some(({ writes }) => writes === "common") ? this.#commonWriters() : []),
      "",
      "# `roles` say what an argument is for. They are guesses, too.",
      "# Arguments are the model's words. What a host knows of a resource goes into `attributes`.",
      block({ types }, 2),
      "",
    ].join("\n");
  }

  #commonWriters(): string[] {
    const writes = { ...Object.fromEntries([...this.#ids].map((id) => [id, "service"])), ...DRAFTED_WRITES };
    const fields = [`  author: ${DRAFTED_AUTHOR}`, "  secret_fields:", wrapped(DRAFTED_SECRETS, "    ")];
    return ["  writes:", wrapped(writes, "    "), ...fields];
  }

  purposes(purpose: string, server: string): string {
    const lines = [...this.#lines].map(([verb, types]) => {
      const of = [...types];
      return `    - ${flow({ [verb]: of.length === 1 ? (of[0] ?? "") : of, code: "not_reviewed", severity: "medium", proceed: false })}`;
    });
    return [
      `${purpose}:`,
      `  statement: ${flow(`use ${server}; say what for`)}`,
      "  owner: you@example.com",
      "  task: required",
      "  flow: standard # what comes from a stranger goes nowhere; needs `reports_returned` in guard.yaml",
      "",
      "  # Nothing is allowed yet: each of these waits for a person. Move what agents may do to `allow`, with `about` and `when`,",
      "  # and what they never may to `never`.",
      ...(lines.length === 0 ? [] : ["  flag:", ...lines]),
      "",
    ].join("\n");
  }
}

function guardText(
  purpose: string,
  { server }: DraftOptions,
  tools: ReadonlyMap<string, Entry | SeveralFiles>,
  resources: readonly { uri: string; entry: Entry }[],
  prompts: readonly { name: string; entry: Entry }[],
): string {
  const line = ({ verb, type, mapped }: Entry, more: { [key: string]: Yaml } = {}): string => flow({ ...more, [verb]: type, ...mapped });
  const lines = [...tools].map(([name, entry]) => {
    if ("several" in entry)
      return `  # ${name}: one call names several files (${comment(entry.several)}); what reads one is asked for each`;
    const left = entry.left.length === 0 ? "" : ` # not mapped: ${entry.left.map(comment).join(", ")}`;
    return `  ${flow(name)}: ${line(entry)}${left}`;
  });
  return [
    "# What a call of each tool is, in the words of the vocabulary. What isn't here is refused.",
    "# `attributes` may be taken from an argument only where the argument says what the server will touch.",
    'remit: {url: "http://127.0.0.1:8181", token_file: guard.token}',
    "agent: my-agent",
    `purpose: ${purpose}`,
    `server: ${flow(server)}`,
    "reports_returned: true # the service hears which values a call returned, so that it knows where later ones come from",
    "",
    ...section("tools", lines),
    ...section(
      "resources",
      resources.map(({ uri, entry }) => `  - ${line(entry, { uri })}`),
    ),
    ...section(
      "prompts",
      prompts.map(({ name, entry }) => `  ${flow(name)}: ${line(entry)}`),
    ),
  ].join("\n");
}

function section(name: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${name}:`, ...lines, ""];
}

function filesOf(words: readonly string[], { properties, required }: ToolSchema): FileTool | SeveralFiles | null {
  const several = severalFiles(words, properties, snake);
  return several === null ? fileTool(words, required, snake) : { several };
}

function hintsOf({ annotations }: Schema): Schema {
  return isObject(annotations) ? annotations : {};
}

/** Returns whether its server says that it only reads; null: it says nothing. */
function readOnlyOf(tool: Schema): boolean | null {
  const { readOnlyHint: said } = hintsOf(tool);
  return typeof said === "boolean" ? said : null;
}

/** Returns whether its server says that it may overwrite what is there; null: it says nothing. */
function destructiveOf(tool: Schema): boolean | null {
  const { destructiveHint: said } = hintsOf(tool);
  return typeof said === "boolean" ? said : null;
}

/** A type for what a tool names without a path, beside the type of what has one. */
function typeBesideFiles(own: string, words: readonly string[]): string {
  if (listsFolders(words)) return "folder";
  return own === "file" || own === "folder" ? `${own}_record` : own;
}

function verbOf(word: string, readOnly: boolean | null): [verb: string, of: VerbClass] | [null, null] {
  if (LOOKS_IF_SAID.has(word) && readOnly === true) return ["read", "read"];
  return Object.hasOwn(VERBS, word) ? (VERBS[word] ?? [null, null]) : [null, null];
}

function uriOf(one: unknown): string {
  const { uri, uriTemplate } = isObject(one) ? one : {};
  return typeof uriTemplate === "string" ? uriTemplate : typeof uri === "string" ? uri : "";
}

function graverEffect(effect: VerbEffect, other: VerbEffect | undefined): VerbEffect {
  return other === undefined || EFFECTS.indexOf(effect) > EFFECTS.indexOf(other) ? effect : other;
}

/** An argument that is two things to two tools counts as the one that is looked at most. */
function graver(role: Role, other: Role | undefined): Role {
  const order: readonly Role[] = ["content", "locator", "commitment", "destination", "authority"];
  return other === undefined || order.indexOf(role) > order.indexOf(other) ? role : other;
}

/** Words of a server's, in a comment of a file: none of them begins a line. */
function comment(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, " ").slice(0, 80);
}
