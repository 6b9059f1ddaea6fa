/**
 * One service in one process of the simulation: the real decider, registry, ledger and log, on a store and files that fail
 * when they are told to. What is durable outlives it.
 */
import { REQUEST_LIMITS } from "../../src/contract/index.js";
import { EventEmitter } from "node:events";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import type { SegmentLog, WriterThread } from "../../src/audit/log/log.js";
import type { FromWriter, ToWriter } from "../../src/audit/log/writer.js";
import type { Decider } from "../../src/decision/decide.js";
import type { AgentProof, Identity, TaskProof } from "../../src/decision/ports.js";
import { fixedProfile } from "../../src/decision/fixed_ports.js";
import type { Commands } from "../../src/facts/commands.js";
import type { Flights } from "../../src/http/flights.js";
import type { MemoryDisk, MemoryFaults, MemoryStore } from "../../src/store/memory.js";
import type { ModelDisk } from "../audit/disk.js";
import { SEALING, memoryTiles } from "../audit/sealing.js";
import type { Dice } from "../differential/dice.js";
import type { Tree } from "../threats/threat.js";
import { Life, drawnRandom } from "./loop.js";
import { policy } from "./policy.js";

const nothing = (): void => undefined;

/** What outlives a process. */
export interface Durable {
  store: MemoryDisk;
  log: ModelDisk;
}

/** How things go at the moment; drawn anew each time. */
export interface Weather {
  dice: Dice;
  store: MemoryFaults;
  /** Milliseconds that a message takes to the log's writer, and back. */
  messageMs: () => number;
  /** Milliseconds that an answer takes to leave. */
  leavingMs: () => number;
  /** Told of each decision's record when it is handed to the log, without its braces. */
  handedOver: (record: string) => void;
}

/** What was built: the service's own modules, or copies with something taken out. */
export type Build = Awaited<ReturnType<typeof buildOf>>;

export async function buildOf(tree: Tree) {
  return {
    ...(await tree("audit/log/log.js")),
    ...(await tree("audit/log/past.js")),
    ...(await tree("audit/log/writer.js")),
    ...(await tree("bundle/grant_entry.js")),
    ...(await tree("decision/decide.js")),
    ...(await tree("facts/commands.js")),
    ...(await tree("http/flights.js")),
    ...(await tree("store/memory.js")),
  };
}

const SEGMENT_BYTES = 8 * 1024;
const FLIGHTS_CUT_MS = 1000;

/** An answer on its way: all that `Flights` asks of one. */
export class Leaving extends EventEmitter {
  gone = false;

  destroy(): void {
    if (this.gone) return;
    this.gone = true;
    this.emit("close");
  }

  leave(): void {
    this.gone = true;
    this.emit("finish");
  }
}

/** Tokens are JSON here, and say themselves what they prove. */
const identity: Identity = {
  authenticate(authorization = "") {
    const jti = authorization === "" ? null : authorization;
    return { id: "gateway", scopes: new Set(["remit:decide"]), token: { jti, issued_ms: null, expires_ms: Infinity } };
  },
  mayAskFor: () => true,
  agentProof: (token) => JSON.parse(token) as AgentProof,
  taskProof: (token) => JSON.parse(token) as TaskProof,
};

export class SimulatedService {
  readonly #flights: Flights;
  #writer: Writer | null = null;

  private constructor(
    readonly life: Life,
    readonly store: MemoryStore,
    readonly log: SegmentLog,
    readonly commands: Commands,
    readonly decider: Decider,
    flights: Flights,
    private readonly weather: Weather,
  ) {
    this.#flights = flights;
  }

  /** @param folder for the log's lock; its files are simulated */
  static async open(build: Build, life: Life, durable: Durable, weather: Weather, folder: string): Promise<SimulatedService> {
    const { loop } = life;
    const writer: Writer = { end: () => undefined, endsInGroup: false };
    const log = await build.SegmentLog.open(
      {
        directory: folder,
        segment_bytes: SEGMENT_BYTES,
        queue_records_max: 64,
        queue_bytes_max: 8 * 1024,
        ...SEALING,
        durability: "synced",
      },
      life,
      { unavailable: nothing, ready: nothing, lost: nothing, unsealed: nothing },
      (last) => writerOf(build, life, durable.log, weather, writer, last),
    );
    const store = new build.MemoryStore(life, durable.store, weather.store);
    const flights = new build.Flights(life, FLIGHTS_CUT_MS);
    const active = policy();
    const system = { clock: loop, timers: life, random: drawnRandom(weather.dice) };
    const commands = await build.Commands.open({
      store,
      log,
      past: build.readPast(durable.log),
      system,
      policy: () => active,
      compile: build.compileGrantEntry,
      barrier: () => flights.landed(),
      limits: LIMITS,
      ledger: { retry_ms: 250, durable_within_ms: 2000 },
    });
    const decider = build.decider({
      system,
      identity,
      engine: { active },
      facts: commands.registry,
      profile: fixedProfile(),
      log: {
        get seq() {
          return log.seq;
        },
        append(before, after, beside) {
          weather.handedOver(`${before},${after}`);
          return log.append(before, after, beside);
        },
      },
      limits: {
        ...REQUEST_LIMITS,
        batch_actions_max: 8,
        time_skew_max_ms: 60_000,
        approval_wait_ms: 900_000,
        chained_tasks_max: 1000,
      },
    });
    const service = new SimulatedService(life, store, log, commands, decider, flights, weather);
    service.#writer = writer;
    return service;
  }

  /**
   * As the route does: from here on the answer counts, until it has left.
   * @param left called when it leaves, not where it was cut
   */
  async answer<T>(decide: () => Promise<T>, left: (answered: T) => void): Promise<void> {
    const leaving = new Leaving();
    this.#flights.begin(leaving);
    try {
      const answered = await decide();
      this.life.after(this.weather.leavingMs(), () => {
        if (leaving.gone) return;
        left(answered);
        leaving.leave();
      });
    } catch (cause) {
      leaving.leave();
      throw cause;
    }
  }

  /** The log's worker ends: now, or when it has written its next group and not said so. What it wrote stays. */
  endWriter(inGroup: boolean): void {
    if (inGroup && this.#writer !== null) this.#writer.endsInGroup = true;
    else this.#writer?.end("it was killed");
  }

  /** Nothing is planned against it any more. */
  calm(): void {
    if (this.#writer !== null) this.#writer.endsInGroup = false;
  }

  /** The process ends between two turns: nobody hears anything any more. */
  end(): void {
    this.life.alive = false;
    this.store.cut();
    this.#writer?.end("");
    // A dead process's lock is taken over; of one that is simulated it has to be given up.
    void this.log.close();
  }
}

const LIMITS = {
  task_lifetime_max_ms: 24 * 3_600_000,
  task_depth_max: 4,
  grant_lifetime_max_ms: 24 * 3_600_000,
  counted_grants: true,
  agents_max: 100,
  tasks_max: 100,
  grants_max: 100,
  grants_per_holder_max: 50,
};

interface Writer {
  /** @param cause empty where nobody is left to hear of it */
  end: (cause: string) => void;
  endsInGroup: boolean;
}

/** The real writer in this thread, a message away. */
function writerOf(build: Build, life: Life, files: ModelDisk, weather: Weather, handle: Writer, last: number | null): WriterThread {
  const { port1, port2 } = new MessageChannel();
  const lifeOfWriter = new Life(life.loop);
  const lastAt = { there: 0, back: 0 };
  const inOrder = (way: "there" | "back", call: () => void): void => {
    const { loop } = life;
    lastAt[way] = Math.max(lastAt[way], loop.monotonic() + weather.messageMs());
    // What it has said is heard although it has ended since.
    (way === "there" ? lifeOfWriter : life).after(lastAt[way] - loop.monotonic(), call);
  };
  let receive: (message: FromWriter) => void = () => undefined;
  let die: (cause: Error) => void = () => undefined;
  let take: (message: ToWriter) => void = () => undefined;
  // Messages wait at the port as they do at a worker's; when they are taken, the simulation says.
  const port = Object.assign(port2, {
    on: (_event: string, call: typeof take) => ((take = call), port2),
    postMessage: (message: FromWriter) => {
      if (message.kind === "durable" && handle.endsInGroup) handle.end("it was killed");
      else
        inOrder("back", () => {
          receive(message);
        });
    },
  });
  handle.end = (cause) => {
    lifeOfWriter.alive = false;
    handle.endsInGroup = false;
    handle.end = () => undefined;
    port1.close();
    if (cause !== "")
      inOrder("back", () => {
        die(new Error(cause));
      });
  };
  // A thread starts some time after it was asked for.
  inOrder("there", () => {
    build.serveWriter(
      port,
      files,
      memoryTiles(),
      { ...SEALING, segment_bytes: SEGMENT_BYTES, durable: last },
      { clock: life.loop, timers: lifeOfWriter },
    );
  });
  return {
    postMessage(message) {
      if (!lifeOfWriter.alive) {
        if (message === "close") receive({ kind: "closed" });
        return;
      }
      port1.postMessage(message);
      inOrder("there", () => {
        const first = receiveMessageOnPort(port2) as { message: ToWriter } | undefined;
        if (first !== undefined) take(first.message);
      });
    },
    onMessage: (call) => (receive = call),
    onDeath: (call) => (die = call),
    terminate: () => {
      handle.end("");
    },
  };
}
