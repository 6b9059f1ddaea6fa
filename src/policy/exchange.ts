/**
 * The memory that the deciding thread and the evaluating one share. One side writes at a time: the deciding thread fills a
 * batch and hands it over by a message; the evaluating one answers it and hands it back by another. Only `begun` is
 * read meanwhile, to tell which item has been running for too long.
 */
import type { Answer } from "./instance.js";

const ITEMS_MAX = 1024;
/** Five numbers an item: where its input is and how long, how long its answer is, what that is, and the fuel that it took. */
const ITEM_FIELDS = 5;
const GOOD = 1;
const OVER_BUDGET = 2;
const HEADER_FIELDS = 2;
const BEGUN = 0;

export interface ExchangeSizes {
  input_bytes: number;
  answer_bytes: number;
}

export class Exchange {
  readonly buffers: { control: SharedArrayBuffer; inputs: SharedArrayBuffer; answers: SharedArrayBuffer };
  readonly #control: Int32Array;
  readonly #inputs: Buffer;
  readonly #answers: Buffer;
  #count = 0;
  #inputsUsed = 0;
  #answersUsed = 0;

  constructor(buffers: Exchange["buffers"]) {
    this.buffers = buffers;
    this.#control = new Int32Array(buffers.control);
    this.#inputs = Buffer.from(buffers.inputs);
    this.#answers = Buffer.from(buffers.answers);
  }

  static of({ input_bytes, answer_bytes }: ExchangeSizes): Exchange {
    const control = new SharedArrayBuffer((HEADER_FIELDS + ITEMS_MAX * ITEM_FIELDS) * Int32Array.BYTES_PER_ELEMENT);
    return new Exchange({
      control,
      inputs: new SharedArrayBuffer(input_bytes),
      answers: new SharedArrayBuffer(answer_bytes),
    });
  }

  /** Begins a batch. Only while the other side has none. */
  clear(): void {
    this.#count = this.#inputsUsed = 0;
    Atomics.store(this.#control, BEGUN, 0);
  }

  /** Puts one more input into the batch; false where it doesn't fit any more. */
  add(input: string): boolean {
    if (this.#count === ITEMS_MAX || this.#inputsUsed + input.length * 3 > this.#inputs.length) return false;
    const at = HEADER_FIELDS + this.#count * ITEM_FIELDS;
    const length = this.#inputs.write(input, this.#inputsUsed);
    this.#control[at] = this.#inputsUsed;
    this.#control[at + 1] = length;
    this.#inputsUsed += length;
    this.#count++;
    return true;
  }

  /** Index of the item being evaluated, -1 before the first. For the side that waits. */
  get begun(): number {
    return Atomics.load(this.#control, BEGUN) - 1;
  }

  /**
   * Answers the items in order, for as long as answers fit. For the evaluating side.
   * @returns how many were answered; the others are to be handed over again
   */
  answerAll(count: number, evaluate: (input: Uint8Array) => Answer): number {
    this.#answersUsed = 0;
    for (let item = 0; item < count; item++) {
      Atomics.store(this.#control, BEGUN, item + 1);
      const at = HEADER_FIELDS + item * ITEM_FIELDS;
      const from = this.#control[at] ?? 0;
      const answer = evaluate(this.#inputs.subarray(from, from + (this.#control[at + 1] ?? 0)));
      const bytes = answer.ok ? answer.text : Buffer.from(answer.detail);
      if (this.#answersUsed + bytes.length > this.#answers.length) return item;
      this.#answers.set(bytes, this.#answersUsed);
      this.#control[at + 2] = bytes.length;
      this.#control[at + 3] = answer.ok ? GOOD : answer.code === "evaluation_budget" ? OVER_BUDGET : 0;
      this.#control[at + 4] = answer.fuel ?? 0;
      this.#answersUsed += bytes.length;
    }
    return count;
  }

  /** The answers, in order. Each is good until the next batch. */
  *answers(count: number): Generator<Answer> {
    let used = 0;
    for (let item = 0; item < count; item++) {
      const at = HEADER_FIELDS + item * ITEM_FIELDS;
      const length = this.#control[at + 2] ?? 0;
      const text = this.#answers.subarray(used, used + length);
      const fuel = this.#control[at + 4] ?? 0;
      if (this.#control[at + 3] === GOOD) yield { ok: true, text, fuel };
      else {
        const code = this.#control[at + 3] === OVER_BUDGET ? "evaluation_budget" : "evaluation_failed";
        yield { ok: false, code, detail: text.toString("utf8"), fuel };
      }
      used += length;
    }
  }
}
