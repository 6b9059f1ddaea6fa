/** The streams that others have, and how far each has come: a file for all of them, and one for each one's place. */
import { mkdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Type, type Static } from "../../contract/type.js";
import { DELIVERY_METHODS, STREAM_STATUSES } from "../../contract/security_events.js";
import { schemas } from "../../system/schemas.js";
import { nullIfMissing, readRegularFile } from "../../system/read_file.js";
import { replaceFile } from "../../system/replaced_file.js";

const closed = { additionalProperties: false };

const Kept = Type.Object(
  {
    id: Type.String(),
    /** Caller that owns the stream. */
    caller: Type.String(),
    method: Type.Enum([...DELIVERY_METHODS]),
    /** Null: it is polled. */
    endpoint_url: Type.Union([Type.String(), Type.Null()]),
    authorization: Type.Union([Type.String(), Type.Null()]),
    /** Null: all. */
    events_requested: Type.Union([Type.Array(Type.String()), Type.Null()]),
    description: Type.Union([Type.String(), Type.Null()]),
    status: Type.Enum([...STREAM_STATUSES]),
    reason: Type.Union([Type.String(), Type.Null()]),
    /** Subjects that it isn't told of. */
    removed: Type.Array(Type.Unsafe<Record<string, unknown>>({ type: "object" })),
  },
  closed,
);
export type KeptStream = Static<typeof Kept>;
const isKept = schemas().compile<{ v: 1; streams: KeptStream[] }>(Type.Object({ v: Type.Literal(1), streams: Type.Array(Kept) }, closed));

export class StreamsDamaged extends Error {
  override readonly name = "StreamsDamaged";
}

export class StreamStore {
  readonly #folder: string;
  /** Writes one after another: what is written last has to stand. */
  #writing: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws StreamsDamaged: whom to tell what must not be guessed */
  async read(): Promise<KeptStream[]> {
    const file = join(this.#folder, "streams.json");
    const text = await textOf(file);
    if (text === null) return [];
    let kept: unknown;
    try {
      kept = JSON.parse(text);
    } catch (cause) {
      throw new StreamsDamaged(`${file} is not JSON`, { cause });
    }
    if (!isKept(kept)) throw new StreamsDamaged(`${file} holds no streams`);
    return kept.streams;
  }

  /** Returns a stream's place: the revision up to which its receiver needs no more events; null if unknown. */
  async place(id: string): Promise<number | null> {
    const text = (await textOf(this.#placeOf(id))) ?? "";
    const [, revision] = /^\{"v":1,"revision":(\d{1,15})\}\n$/.exec(text) ?? [];
    return revision === undefined ? null : Number(revision);
  }

  /** @throws whatever the disk says; what stood before then stands */
  write(streams: readonly KeptStream[]): Promise<void> {
    return this.#inTurn(() => writeDurably(join(this.#folder, "streams.json"), JSON.stringify({ v: 1, streams })));
  }

  writePlace(id: string, revision: number): Promise<void> {
    return this.#inTurn(() => writeDurably(this.#placeOf(id), `${JSON.stringify({ v: 1, revision })}\n`));
  }

  forget(id: string): Promise<void> {
    return this.#inTurn(() => unlink(this.#placeOf(id)).catch(() => undefined));
  }

  /** Resolves when all that was handed in is written, or can't be. */
  settled(): Promise<void> {
    return this.#writing.catch(() => undefined);
  }

  #placeOf(id: string): string {
    return join(this.#folder, `${id}.place`);
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(act, act);
    this.#writing = done.catch(() => undefined);
    return done;
  }
}

async function textOf(file: string): Promise<string | null> {
  const bytes = await readRegularFile(file).catch(nullIfMissing);
  return bytes?.toString("utf8") ?? null;
}

async function writeDurably(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await replaceFile(file, text, 0o600);
}
