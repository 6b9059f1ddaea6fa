/** The worker as the page uses it: one question at a time, ended when it takes too long, and begun again. */
import type { CaseExplanation, FromWorker, RunResult, SetFiles, TestResult, ToWorker } from "../../browser/playground_messages.js";
import { startWorker } from "../worker.js";

export interface AssetPlaces {
  worker: string;
  library: string;
  opa: string;
}

/** Questions by their kind, each with its answer. */
interface Exchanges {
  run: [{ name: string; files: SetFiles }, RunResult];
  explain: [{ file: string; line: number }, CaseExplanation];
  test: [object, TestResult];
  open: [{ archive: ArrayBuffer }, { files: SetFiles | null }];
}
type QuestionKind = keyof Exchanges;
export type Loaded = Extract<FromWorker, { kind: "loaded" }>;

/** Milliseconds for one question: a set of the size that people read compiles in one second and is tested whole in ten, on a machine that has nothing else to do. */
const LIMIT_MS = 60_000;

export class Stopped extends Error {
  override readonly name = "Stopped";
}

export class Runner {
  #worker: Worker;
  #turn = 0;
  #isLoaded = false;
  #waiting: { turn: number; fulfil: (reply: unknown) => void; reject: (cause: Error) => void; timer: number } | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly places: AssetPlaces,
    private readonly onLoaded: (loaded: Loaded) => void,
    private readonly onBroken: (message: string) => void,
  ) {
    this.#worker = this.#start();
  }

  /** Asks, after what was asked before. @throws Stopped if it took too long, or the worker broke */
  ask<K extends QuestionKind>(kind: K, asked: Exchanges[K][0]): Promise<Exchanges[K][1]> {
    const turn = this.#last.then(() => this.#exchange({ kind, ...asked }));
    this.#last = turn.catch(() => undefined);
    return turn as Promise<Exchanges[K][1]>;
  }

  #exchange(asked: object): Promise<unknown> {
    const turn = ++this.#turn;
    return new Promise((fulfil, reject) => {
      // A worker that was begun again has to load first, which isn't the question's time.
      const timer = window.setTimeout(
        () => {
          this.#end(`stopped after ${LIMIT_MS / 1000} s`);
        },
        this.#isLoaded ? LIMIT_MS : 6 * LIMIT_MS,
      );
      this.#waiting = { turn, fulfil, reject, timer };
      this.#worker.postMessage({ ...asked, turn });
    });
  }

  #start(): Worker {
    const { worker: url, library, opa } = this.places;
    const worker = startWorker(url);
    this.#isLoaded = false;
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if (worker !== this.#worker) return;
      if (data.kind === "loaded") {
        this.#isLoaded = true;
        this.onLoaded(data);
      } else if (data.kind === "broken") this.#end(data.message);
      else if (this.#waiting?.turn === data.turn) {
        const { fulfil, timer } = this.#waiting;
        window.clearTimeout(timer);
        this.#waiting = null;
        fulfil(data);
      }
    });
    worker.addEventListener("error", (event) => {
      if (worker === this.#worker) this.#end(event.message === "" ? "its script can't be loaded" : event.message);
    });
    const load = (path: string): string => new URL(path, document.baseURI).href;
    worker.postMessage({ kind: "load", library: load(library), opa: load(opa) } satisfies ToWorker);
    return worker;
  }

  /** Ends the worker, whatever it does, and begins another if there was a question that this one could answer. */
  #end(why: string): void {
    this.#worker.terminate();
    const waiting = this.#waiting;
    this.#waiting = null;
    const wasLoaded = this.#isLoaded;
    if (wasLoaded) this.#worker = this.#start();
    if (waiting === null) this.onBroken(why);
    else {
      window.clearTimeout(waiting.timer);
      waiting.reject(new Stopped(why));
    }
  }
}
