/** Sources of facts, and the callers that decide by them: a service's feed, or a file. */
import { compileGrantEntry } from "../bundle/grant_entry.js";
import { Undecided } from "../client/errors.js";
import { readTransport } from "../client/options.js";
import type { Outside } from "../client/outside.js";
import { Transport, type Carrier } from "../client/transport.js";
import { Problem, type Scope } from "../contract/index.js";
import type { ActivePolicy, Caller, Facts, Identity } from "../decision/ports.js";
import { NO_TOKEN } from "../decision/fixed_ports.js";
import type { System } from "../system/index.js";
import type { Logger } from "../system/logger.js";
import { uncounted } from "./elsewhere.js";
import { factsFile } from "./facts_file.js";
import { Feed, type Rights } from "./feed.js";
import { Forwarder } from "./forward.js";
import { LocalChanges } from "./local_changes.js";
import { reportEngine } from "./log_events.js";
import { failingOf, type Failing } from "./not_ready.js";
import type { EmbeddedOptions, ReadOptions, ServiceOptions } from "./options.js";
import type { KnownPolicy } from "../facts/facts_lookup.js";

export interface FactsSource {
  /** Facts as decisions use them. */
  facts: Facts;
  /** Facts as they are, with what is counted. */
  all: Facts;
  identity: Identity;
  heard: LocalChanges;
  forwarder: Forwarder | null;
  /** Null before it is known. */
  caller: () => Caller | null;
  /** Returns true if anything at all is counted elsewhere. */
  counts: () => boolean;
  /** Milliseconds since it was last known that facts are so. */
  age: () => number;
  /** Why there are none to be had now; null where nothing is wrong, or nothing is known of it. */
  failing: () => Failing | null;
  close: () => void;
}

type PolicyNow = () => KnownPolicy | null;

export function fromService(
  { url, token }: ServiceOptions,
  { age_ms_max, behind_ms_max, deadline_ms }: ReadOptions,
  system: System,
  outside: Outside,
  policy: () => ActivePolicy | null,
  logger: Logger,
): FactsSource {
  const carrier = new Transport(readTransport({ url, token }), outside);
  const opening = new Opening(carrier, logger);
  const feed = new Feed(
    { open: (...given) => opening.open(...given), send: (exchange) => carrier.send(exchange) },
    outside,
    system,
    policy,
    compileGrantEntry,
    { age_ms_max, behind_ms_max, head_ms: deadline_ms },
    () => policy()?.identity ?? null,
    {
      live: (facts_revision) => {
        reportEngine(logger, "facts_current", { facts_revision });
      },
      silent: () => {
        if (!opening.isClosed) reportEngine(logger, "facts_unheard", { facts_revision: feed.facts.revision });
      },
      refused: (detail) => {
        reportEngine(logger, "facts_contradicted", { detail });
      },
    },
  );
  feed.start();
  const forwarder = new Forwarder(carrier, outside, deadline_ms, () => feed.sharedRevision);
  return {
    facts: uncounted(feed.facts),
    all: feed.facts,
    identity: identityOf(() => feed.caller),
    heard: feed.heard,
    forwarder,
    caller: () => feed.caller,
    counts: () => feed.registry.narrowings.size > 0 || feed.registry.sizes.grants > 0,
    age: () => feed.age_ms,
    failing: () => opening.failing,
    close: () => {
      opening.close();
      feed.close();
      forwarder.close();
    },
  };
}

/** Opens the stream of facts, and keeps why it couldn't: whoever follows it is told nothing but that it is silent. */
class Opening implements Pick<Carrier, "open"> {
  readonly #carrier: Carrier;
  readonly #logger: Logger;
  #failing: Failing | null = null;
  #closed = false;

  constructor(carrier: Carrier, logger: Logger) {
    this.#carrier = carrier;
    this.#logger = logger;
  }

  get failing(): Failing | null {
    return this.#failing;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** @throws Undecided */
  async open(path: string, type: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    try {
      const response = await this.#carrier.open(path, type, headers, signal);
      this.#failing = null;
      return response;
    } catch (cause) {
      if (!this.#closed) this.#failed(signal.aborted ? new Undecided("deadline") : cause);
      throw cause;
    }
  }

  close(): void {
    this.#closed = true;
  }

  #failed(cause: unknown): void {
    const { code, detail } = failingOf(cause);
    if (detail !== this.#failing?.detail) reportEngine(this.#logger, "facts_unavailable", { code, detail });
    this.#failing = { code, detail };
  }
}

export async function fromFile(
  { facts: { file = "" } = {}, caller: said }: EmbeddedOptions,
  { age_ms_max, poll_ms }: ReadOptions,
  system: System,
  outside: Outside,
  policy: PolicyNow,
  logger: Logger,
): Promise<FactsSource> {
  const heard = new LocalChanges(outside);
  let failing: Failing | null = null;
  const read = await factsFile({ file, poll_ms, age_ms_max }, system, policy, compileGrantEntry, {
    changed: (facts_revision) => {
      failing = null;
      reportEngine(logger, "facts_file_read", { facts_revision });
      heard.others(facts_revision);
      heard.hears(facts_revision);
    },
    refused: (reason) => {
      failing = { code: null, detail: reason };
      reportEngine(logger, "facts_file_refused", { reason });
      heard.hearsNothing();
    },
    again: (facts_revision) => {
      failing = null;
      heard.hears(facts_revision);
    },
  });
  const { id = "", agents, purposes } = said ?? {};
  const caller: Caller & Rights = {
    id,
    scopes: new Set<Scope>(["remit:decide"]),
    token: NO_TOKEN,
    agents: agents === undefined ? null : new Set(agents),
    purposes: purposes === undefined ? null : new Set(purposes),
  };
  return {
    facts: read.facts,
    all: read.facts,
    identity: identityOf(() => caller),
    heard,
    forwarder: null,
    caller: () => caller,
    counts: () => false,
    age: () => read.age_ms,
    failing: () => failing,
    close: () => {
      read.close();
      heard.close();
    },
  };
}

/** The caller is who runs the engine; tokens of agents and tasks are for who has the keys. */
function identityOf(rights: () => Rights | null): Identity {
  return {
    authenticate: () => {
      throw new Problem("token_missing");
    },
    mayAskFor: (_caller, agent, purpose) => {
      const has = rights();
      return has !== null && has.agents?.has(agent) !== false && has.purposes?.has(purpose) !== false;
    },
    agentProof: () => {
      throw new Problem("agent_token_unsupported", { field: "/agent_token" });
    },
    taskProof: () => {
      throw new Problem("task_token_unsupported", { field: "/task_token" });
    },
  };
}
