/**
 * Requests as an attacker could send them: valid by the grammar of the active bundle, mutated (values, bytes, headers,
 * request lines), and bytes that are hardly HTTP. One seed, one sequence.
 */
import type { DecideRequest } from "../../src/contract/index.js";
import type { Dice } from "../differential/dice.js";
import { IDS, drawFields, drawValue, type Subject, type World } from "./world.js";

export type Kind = "valid" | "mutated" | "raw";

/** One request of an exchange whose framing is sound: it gets one answer. */
export interface Asked {
  method: string;
  path: string;
  body: Buffer;
  /** The only statuses that it may be answered with; left out, any that is documented. */
  statuses?: readonly number[];
}

export interface Exchange {
  kind: Kind;
  /** Which branch of the grammar made it. */
  what: string;
  bytes: Buffer;
  /** Where the bytes are cut into several writes. */
  cuts: readonly number[];
  /** Null where what is sent may have any number of readings: then the connection is ended and all that comes is read. */
  asked: readonly Asked[] | null;
  /** The client leaves without waiting. */
  leaves: boolean;
}

export interface Tokens {
  /** May do everything. */
  all: string;
  /** May only decide. */
  decide: string;
}

export interface Target {
  world: World;
  tokens: Tokens;
  bundle: Buffer;
  body_bytes_max: number;
}

type Json = Record<string, unknown>;

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "M-SEARCH", "QUERY", "CONNECT"];
const PATHS = [
  "/decide",
  "/decide/batch",
  "/tasks",
  "/tasks/t-1",
  "/bundles",
  "/healthz",
  "/readyz",
  "/metrics",
  "/openapi.json",
  "/",
  "/admin",
];
const ODD_PATHS = [
  "/decide/",
  "//decide",
  "/Decide",
  "/%64ecide",
  "/decide?x=1",
  "/decide#x",
  "/./decide",
  "/x/../decide",
  "/tasks/%2e%2e",
  "/tasks/%00",
  "/tasks/%E0%A4%A",
  "/tasks/a%2Fb",
  "/__proto__",
  "/tasks/__proto__",
  "/tasks/constructor",
  `/${"a".repeat(3000)}`,
  "/decide;a=b",
  "/de\u0000cide",
  "*",
  "http://127.0.0.1/decide",
  "http://evil.example/decide",
  "decide",
];
const STRANGE: unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  "",
  " ",
  "a",
  [],
  {},
  [[]],
  [null],
  { a: 1 },
  { __proto__x: 1 },
  "__proto__",
  "constructor",
  "toString",
  "..",
  "../..",
  "a\u0000b",
  "\u202eada",
  "e\u0301",
  "ａｄａ",
  "аda",
  "ada\n",
  "%2e%2e",
  "{{7*7}}",
  "'; drop table",
  "<script>",
  "${jndi:x}",
  "\u001b[2J",
  2 ** 53,
  1e21,
  -0,
  "9".repeat(400),
  "x".repeat(300),
  "x".repeat(20_001),
  "2027-02-30T00:00:00Z",
  "9999-12-31T23:59:60Z",
];
const KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "hasOwnProperty",
  "toString",
  "",
  " ",
  "agent",
  "Agent",
  "agent ",
  "proceed",
  "decision",
  "task_token",
  "agent_token",
  "at_least",
  "time",
  "related",
  "grants",
  "facts",
  "a".repeat(300),
  "\u0000",
  "日本",
];
const TEXT_VALUES = [
  "1e400",
  "-1e400",
  "1e-400",
  "9007199254740993",
  "0.1e1",
  "01",
  "+1",
  ".5",
  "5.",
  "NaN",
  "Infinity",
  "-0",
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000"',
  '"\\x41"',
  "'a'",
  "undefined",
  "/**/1",
  "[1,]",
  '{"a":1,}',
  "1 2",
  '"\t"',
];
const SOUP = [
  "GET ",
  "POST ",
  "PATCH ",
  "/decide",
  "/tasks",
  " HTTP/1.1",
  " HTTP/1.0",
  " HTTP/2.0",
  "\r\n",
  "\r\n",
  "\n",
  "\r",
  "\r\n\r\n",
  "Host: 127.0.0.1",
  "Content-Length: ",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip, chunked",
  "Connection: close",
  "Connection: upgrade",
  "Upgrade: h2c",
  "Upgrade: websocket",
  "Expect: 100-continue",
  "Authorization: Bearer ",
  "Content-Type: application/json",
  ": ",
  ":",
  ",",
  " ",
  "\t",
  "0\r\n\r\n",
  "5\r\nhello\r\n",
  "ffffffffffffffff\r\n",
  '5;ext="\n"\r\n',
  "{}",
  "[",
  "\u0000",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "\u0016\u0003\u0001",
  "a".repeat(9000),
];

export class Requests {
  #sent = 0;

  constructor(
    readonly dice: Dice,
    readonly target: Target,
  ) {}

  /** 40 of 100 valid, 40 mutated, 20 raw. */
  next(): Exchange {
    const draw = this.dice.below(100);
    return draw < 40 ? this.#valid() : draw < 80 ? this.#mutated() : this.#raw();
  }

  #valid(): Exchange {
    const { dice } = this;
    // Several in one write: a pipeline.
    const asked = Array.from({ length: dice.chance(5) ? 2 + dice.below(4) : 1 }, () => this.#validOne());
    const bytes = Buffer.concat(asked.map((one) => this.#framed(one)));
    return { kind: "valid", what: asked.map(({ path }) => path).join(" "), bytes, cuts: this.#cuts(bytes), asked, leaves: false };
  }

  #validOne(): Asked {
    const { dice } = this;
    const draw = dice.below(100);
    if (draw < 86) return this.#json("POST", "/decide", this.#action(), [200]);
    if (draw < 92) {
      const actions = Array.from({ length: 1 + dice.below(8) }, () => this.#action());
      return this.#json("POST", "/decide/batch", { actions }, [200]);
    }
    if (draw < 95) return this.#json("POST", "/tasks", this.#newTask(), [200, 201, 409]);
    const path = dice.of(["/healthz", "/readyz", "/openapi.json", "/bundles", "/metrics"]);
    return { method: "GET", path, body: Buffer.alloc(0), statuses: [200] };
  }

  #json(method: string, path: string, value: unknown, statuses?: readonly number[]): Asked {
    return { method, path, body: Buffer.from(JSON.stringify(value)), ...(statuses === undefined ? {} : { statuses }) };
  }

  #action(): Json {
    const { dice } = this;
    const { world } = this.target;
    const { vocabulary } = world;
    const taskId = dice.of(Object.keys(world.tasks));
    const task = world.tasks[taskId];
    if (task === undefined) throw new Error("the world has tasks");
    const own = dice.chance(85);
    const [type, verb] = dice.chance(85)
      ? dice.of(world.named)
      : ([dice.of([...Object.keys(vocabulary.types), "spaceship"]), dice.of([...Object.keys(vocabulary.verbs), "fly"])] as const);
    const spec = vocabulary.types[type];
    const related = Object.entries(spec?.related ?? {}).filter(() => dice.chance(80));
    const collection = vocabulary.verbs[verb]?.collection === true;
    return {
      request_id: `h-${this.#sent++}`,
      agent: own ? task.agent : dice.of([...Object.keys(world.agents), "nobody"]),
      purpose: own ? task.purpose : dice.of([...world.purposes, "no_purpose"]),
      ...(dice.chance(96) ? { task: taskId } : {}),
      verb,
      resource: this.#resource(type, collection ? null : this.#id(taskId)),
      ...(spec === undefined
        ? {}
        : { related: Object.fromEntries(related.map(([role, of]) => [role, this.#resource(of, this.#id(taskId))])) }),
      ...(spec === undefined ? {} : { arguments: drawFields(dice, spec.arguments, world.words) }),
      ...(dice.chance(50) ? { context: { session: "s", source: "hostile", trace: "00-1" } } : {}),
      ...(dice.chance(5) ? { time: dice.of(["2027-01-01T00:00:00Z", "1999-12-31T23:59:59.999+14:00"]) } : {}),
    };
  }

  /** Mostly one that the task is about. */
  #id(taskId: string): string {
    const { dice } = this;
    if (dice.chance(50)) return dice.of(IDS);
    return dice.of([taskId, ...Object.values(this.target.world.tasks[taskId]?.subjects ?? {}).flat()]);
  }

  #resource(type: string, id: string | null): Json {
    const spec = this.target.world.vocabulary.types[type];
    const { dice } = this;
    if (spec === undefined || dice.chance(5)) return { type, id };
    return { type, id, attributes: drawFields(dice, spec.attributes, this.target.world.words) };
  }

  #newTask(): Json {
    const { dice } = this;
    const { world } = this.target;
    const n = dice.below(200);
    return {
      id: `made-${n}`,
      agent: `agent-${n % 8}`,
      purpose: dice.of(world.purposes),
      subjects: Object.fromEntries(world.vocabulary.task.subjects.map((type) => [type, [drawValue(dice, { kind: "id" }, [])]])),
      expires: new Date(Date.now() + 3_600_000).toISOString(),
    };
  }

  #mutated(): Exchange {
    const draw = this.dice.below(100);
    if (draw < 35) return this.#mutatedJson();
    if (draw < 60) return this.#mutatedBytes();
    if (draw < 85) return this.#mutatedHead();
    if (draw < 86) return this.#mutatedBundle();
    return this.#mutatedWhole();
  }

  /** Values, keys and numbers in the body; the framing stays sound. */
  #mutatedJson(): Exchange {
    const { dice } = this;
    const one = this.#validOne();
    let text = one.body.toString();
    if (text !== "") {
      const value = JSON.parse(text) as Json;
      for (let i = 1 + dice.below(2); i > 0; i--) mutate(dice, value);
      text = JSON.stringify(value);
      if (dice.chance(25)) text = mutateText(dice, text);
    }
    return this.#single("json", { ...one, body: Buffer.from(text) });
  }

  /** Bits, bytes and slices of the body; the framing stays sound. */
  #mutatedBytes(): Exchange {
    const one = this.#validOne();
    let { body } = one;
    for (let i = 1 + this.dice.below(3); i > 0; i--) body = mutateBytes(this.dice, body);
    if (this.dice.chance(1)) body = Buffer.concat([body, Buffer.alloc(this.target.body_bytes_max, " ")]);
    return this.#single("bytes", { ...one, body });
  }

  /** Another method, path, token, type, host: each with one reading. */
  #mutatedHead(): Exchange {
    const { dice } = this;
    const one = this.#validOne();
    const { all, decide } = this.target.tokens;
    const headers: Record<string, string> = {};
    let { method, path } = one;
    switch (dice.below(7)) {
      case 0:
        method = dice.of(METHODS.slice(0, -1));
        break;
      case 1:
        path = dice.of(dice.chance(50) ? PATHS : ODD_PATHS.filter((odd) => !odd.includes("\u0000")));
        break;
      case 2:
        headers["authorization"] = dice.of([
          "",
          "Bearer",
          "Bearer ",
          `bearer ${all}`,
          `Basic ${all}`,
          `Bearer ${all}x`,
          `Bearer ${decide}`,
          `Bearer ${all.split(".").slice(0, 2).join(".")}.`,
          `Bearer ${mutateBytes(dice, Buffer.from(all))
            .toString("latin1")
            .replace(/[^\x21-\x7e]/g, "_")}`,
        ]);
        break;
      case 3:
        headers["content-type"] = dice.of([
          "",
          "text/plain",
          "application/json; charset=utf-16",
          "application/jsonp",
          "application/gzip",
          "multipart/form-data; boundary=x",
          "application/json;",
        ]);
        break;
      case 4:
        headers["host"] = dice.of([
          "",
          "evil.example",
          "127.0.0.1.evil.example",
          "127.0.0.1:0",
          "[::1]",
          "localhost.",
          "127.0.0.1@evil.example",
        ]);
        break;
      case 5:
        headers[
          dice.of([
            "origin",
            "content-encoding",
            "expect",
            "upgrade",
            "te",
            "trailer",
            "x-forwarded-for",
            "x-http-method-override",
            "cookie",
            "range",
            "if-none-match",
            "accept",
          ])
        ] = dice.of(["null", "gzip", "100-continue", "h2c", "DELETE", "bytes=0-1", "*", "a=b", "text/html"]);
        break;
      default:
        for (let i = dice.below(60); i > 0; i--) headers[`x-${i}`] = "v".repeat(dice.below(200));
    }
    return this.#single("head", { method, path, body: one.body }, headers);
  }

  #mutatedBundle(): Exchange {
    const body = mutateBytes(this.dice, this.target.bundle);
    return this.#single("bundle", { method: "POST", path: "/bundles", body }, { "content-type": "application/gzip" });
  }

  /** Any byte of the whole request, or of how its length is said. */
  #mutatedWhole(): Exchange {
    const { dice } = this;
    const one = this.#validOne();
    const whole = this.#framed(one);
    const length = one.body.length;
    const lengths = [
      `content-length: ${length}\r\ncontent-length: ${length}`,
      `content-length: ${length + 1 + dice.below(9)}`,
      `content-length: ${Math.max(0, length - 1 - dice.below(9))}`,
      `content-length: +${length}`,
      `content-length: ${length}, ${length}`,
      "content-length: 99999999999999999999",
      `content-length: -1`,
      `content-length: ${length}\r\ntransfer-encoding: chunked`,
      "transfer-encoding: chunked",
      "transfer-encoding: chunked, identity",
      "transfer-encoding : chunked",
      "x: y",
    ];
    if (dice.chance(40)) {
      const head = whole.subarray(0, whole.length - length).toString("latin1");
      const text = head.replace(/content-length: \d+/, () => dice.of(lengths));
      return this.#unframed("mutated", "length", Buffer.concat([Buffer.from(text, "latin1"), one.body]));
    }
    let bytes = whole;
    for (let i = 1 + dice.below(3); i > 0; i--) {
      // Most often in the request line and the headers.
      const to = dice.chance(70) ? whole.length - length : bytes.length;
      bytes = Buffer.concat([mutateBytes(dice, bytes.subarray(0, to)), bytes.subarray(to)]);
    }
    return this.#unframed("mutated", "whole", bytes);
  }

  #raw(): Exchange {
    const { dice } = this;
    const whole = (): Buffer => this.#framed(this.#validOne());
    switch (dice.below(7)) {
      case 0:
        return this.#unframed("raw", "noise", randomBytes(dice, dice.chance(2) ? dice.below(100_000) : dice.below(400)));
      case 1:
      case 2:
        return this.#unframed(
          "raw",
          "soup",
          Buffer.from(Array.from({ length: 1 + dice.below(24) }, () => dice.of(SOUP)).join(""), "latin1"),
        );
      case 3:
        return this.#unframed("raw", "begun", ((bytes) => bytes.subarray(0, dice.below(bytes.length)))(whole()));
      case 4:
        return this.#unframed("raw", "garbage behind", Buffer.concat([whole(), randomBytes(dice, 1 + dice.below(200))]));
      case 5: {
        const line = `${dice.of(METHODS.filter((method) => method !== "HEAD"))} ${dice.of([...PATHS, ...ODD_PATHS])} HTTP/${dice.of(["1.1", "1.0", "0.9", "2.0", "1.1 ", "9.9"])}`;
        const chunks = dice.many(4, () =>
          dice.of([
            "0\r\n\r\n",
            "5\r\nhello\r\n",
            "a\r\n{}\r\n",
            "1;x=y\r\n{\r\n",
            "G\r\n",
            "FFFFFFFFFFFFFFFF\r\n",
            "-1\r\n",
            "0\r\nx-a: b\r\n\r\n",
            "2\r\n{}\r\n",
          ]),
        );
        return this.#unframed(
          "raw",
          "chunks",
          Buffer.from(
            `${line}\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${this.target.tokens.all}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${chunks.join("")}`,
            "latin1",
          ),
        );
      }
      default: {
        const exchange = this.#unframed("raw", "left", dice.chance(50) ? whole() : whole().subarray(0, 200));
        return { ...exchange, leaves: true };
      }
    }
  }

  #single(what: string, one: Asked, headers: Record<string, string> = {}): Exchange {
    const bytes = this.#framed(one, headers);
    const { method, path, body } = one;
    return { kind: "mutated", what, bytes, cuts: this.#cuts(bytes), asked: [{ method, path, body }], leaves: false };
  }

  #unframed(kind: Kind, what: string, bytes: Buffer): Exchange {
    return { kind, what, bytes, cuts: this.#cuts(bytes), asked: null, leaves: false };
  }

  #framed({ method, path, body }: Asked, headers: Record<string, string> = {}): Buffer {
    const { tokens } = this.target;
    const all: Record<string, string> = {
      host: "127.0.0.1",
      authorization: `Bearer ${path.startsWith("/decide") ? tokens.decide : tokens.all}`,
      ...(body.length > 0 ? { "content-type": "application/json" } : {}),
      "content-length": String(body.length),
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1"), body]);
  }

  #cuts(bytes: Buffer): number[] {
    const { dice } = this;
    if (bytes.length < 2 || !dice.chance(8)) return [];
    return Array.from({ length: 1 + dice.below(3) }, () => 1 + dice.below(bytes.length - 1)).sort((a, b) => a - b);
  }
}

/** What the decisions of a body were asked for, read with all leniency: null where it can't be. */
export function subjectsOf({ path, body }: Asked): Subject[] | null {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    return null;
  }
  const actions = path === "/decide" || path === "/" ? [value] : (value as { actions?: unknown } | null)?.actions;
  return Array.isArray(actions) ? actions.map((action) => subjectOf(action as Json)) : null;
}

/** Of a request, as it was sent or as it was recorded. */
export function subjectOf(action: Json): Subject {
  const { agent, purpose, task, verb, resource } = action as unknown as DecideRequest;
  return { agent, purpose, task: task ?? null, verb, type: resource.type, id: resource.id };
}

/** In place: a member of an object or list, somewhere. */
function mutate(dice: Dice, value: Json): void {
  let at: Json = value;
  for (;;) {
    const deeper = Object.values(at).filter((member): member is Json => typeof member === "object" && member !== null);
    if (deeper.length === 0 || dice.chance(40)) break;
    at = dice.of(deeper);
  }
  const keys = Object.keys(at);
  const key = keys.length === 0 ? "a" : dice.of(keys);
  switch (dice.below(8)) {
    case 0:
      Reflect.deleteProperty(at, key);
      break;
    case 1:
      define(at, dice.of(KEYS), strange(dice));
      break;
    case 2:
      at[key] = [at[key]];
      break;
    case 3: {
      let nested: unknown = at[key];
      for (let depth = dice.below(40); depth > 0; depth--) nested = dice.chance(50) ? [nested] : { a: nested };
      at[key] = nested;
      break;
    }
    case 4:
      if (typeof at[key] === "string") at[key] = respelled(dice, at[key]);
      break;
    case 5:
      at[key] = dice.chance(50)
        ? Array(dice.below(300)).fill(0)
        : Object.fromEntries(Array.from({ length: dice.below(300) }, (_, i) => [`k${i}`, i]));
      break;
    default:
      at[key] = strange(dice);
  }
}

/** A copy: what is put into one body is mutated on, and must not turn up changed in another. */
function strange(dice: Dice): unknown {
  return structuredClone(dice.of(STRANGE));
}

/** `__proto__` as a key of its own. */
function define(at: Json, key: string, value: unknown): void {
  Object.defineProperty(at, key, { value, enumerable: true, configurable: true, writable: true });
}

/** The same name for a careless reader. */
function respelled(dice: Dice, text: string): string {
  return dice.of([
    `${text} `,
    ` ${text}`,
    text.toUpperCase(),
    `${text}\u0000`,
    `${text}\n`,
    `${text}\u200b`,
    `${text}.`,
    `./${text}`,
    `${text}/..`,
    text.replace("a", "%61"),
    text.replace("a", "а"),
    text.normalize("NFD"),
    `${text}${text}`,
    `\u202e${text}`,
  ]);
}

/** What only the text can say: keys twice, numbers that no double holds, halves of pairs, other dialects. */
function mutateText(dice: Dice, text: string): string {
  switch (dice.below(4)) {
    case 0:
      return text.replace(
        "{",
        () => `{"${dice.of(["agent", "purpose", "task", "verb", "resource"])}":${dice.of(['"agent-0"', '"ada"', "null", "{}"])},`,
      );
    case 1:
      return text.replace(/:("[^"]*"|\d+|null)/, () => `:${dice.of(TEXT_VALUES)}`);
    case 2:
      return `${dice.of(["\ufeff", " \n", "//\n", ")]}'\n"])}${text}`;
    default:
      return `${text}${dice.of(["x", "{}", "\u0000", " null", "\n\n"])}`;
  }
}

function mutateBytes(dice: Dice, bytes: Buffer): Buffer {
  if (bytes.length === 0) return Buffer.from([dice.below(256)]);
  const at = dice.below(bytes.length);
  const to = Math.min(bytes.length, at + 1 + dice.below(16));
  const [before, slice, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
  switch (dice.below(7)) {
    case 0:
      return Buffer.concat([before, Buffer.from([(bytes[at] ?? 0) ^ (1 << dice.below(8))]), bytes.subarray(at + 1)]);
    case 1:
      return Buffer.concat([before, randomBytes(dice, 1 + dice.below(4)), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([before, after]);
    case 3:
      return Buffer.concat([before, slice, slice, after]);
    case 4:
      return before;
    case 5:
      return Buffer.concat([before, dice.of(UTF8_TRICKS), bytes.subarray(at)]);
    default:
      return Buffer.concat([after, before]);
  }
}

const UTF8_TRICKS = [
  "c0af",
  "e080af",
  "f08080af",
  "eda080",
  "edb080",
  "f4908080",
  "ff",
  "80",
  "efbbbf",
  "00",
  "e280a8",
  "c385",
  "e2808b",
].map((hex) => Buffer.from(hex, "hex"));

function randomBytes(dice: Dice, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.below(256)));
}
