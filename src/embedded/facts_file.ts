/** Facts from a file that is watched, for an application without a service: as strict as an import, and gone with the process. */
import type { Facts } from "../decision/ports.js";
import { Commands } from "../facts/commands.js";
import { WatchedFile } from "../facts/watched_file.js";
import { MemoryStore } from "../store/memory.js";
import type { Clock, System, Timers } from "../system/index.js";
import { factsOf } from "../facts/current_facts.js";
import { Freshness } from "./freshness.js";
import type { CompileEntry, KnownPolicy } from "../facts/facts_lookup.js";

export interface FactsFileOptions {
  file: string;
  poll_ms: number;
  /** Time after its last reading for which facts may be decided on. */
  age_ms_max: number;
}

export interface FactsFileEvents {
  changed(revision: number): void;
  /** The file isn't acceptable, or can't be read; the facts stay as they are, and grow old. */
  refused(reason: string): void;
  /** It could be read, and says nothing new. */
  again(revision: number): void;
}

const DAY_MS = 24 * 3_600_000;
const LIMITS = {
  agents_max: 1_000_000,
  tasks_max: 1_000_000,
  task_lifetime_max_ms: 7 * DAY_MS,
  task_depth_max: 4,
  grants_max: 100_000,
  grants_per_holder_max: 64,
  grant_lifetime_max_ms: 7 * DAY_MS,
  // Uses would be forgotten with the process.
  counted_grants: false,
};

export interface FactsFile {
  readonly facts: Facts;
  readonly age_ms: number;
  close(): void;
}

/** Resolves once the file has been read, well or not. */
export async function factsFile(
  { file, poll_ms, age_ms_max }: FactsFileOptions,
  system: { clock: Clock; timers: Timers } & Pick<System, "random">,
  policy: () => KnownPolicy | null,
  compile: CompileEntry,
  events: FactsFileEvents,
): Promise<FactsFile> {
  const { clock, timers } = system;
  const nothing = (): Promise<void> => Promise.resolve();
  const commands = await Commands.open({
    store: new MemoryStore(timers),
    // A record has whole what was decided on.
    log: { append: nothing },
    past: { revision: 0, uses: none },
    system,
    policy,
    compile,
    barrier: nothing,
    limits: LIMITS,
    ledger: { retry_ms: poll_ms, durable_within_ms: age_ms_max },
  });
  const fresh = new Freshness(clock, age_ms_max);
  const watched = new WatchedFile(file, commands, {
    imported: ({ facts_revision }) => {
      events.changed(facts_revision);
    },
    refused: (reason) => {
      events.refused(reason);
    },
  });
  const look = async (): Promise<void> => {
    await watched.look();
    if (watched.isRefused) return;
    fresh.renew();
    events.again(commands.registry.revision);
  };
  await look();
  const stop = timers.every(poll_ms, () => void look());
  const { registry } = commands;
  return {
    facts: factsOf({ registry: () => registry, isStale: () => !fresh.isFresh }),
    get age_ms() {
      return fresh.age_ms;
    },
    close() {
      stop();
      commands.close();
    },
  };
}

/** There is no past. */
async function* none(): AsyncGenerator<readonly string[]> {}
