/** The guard as it runs: its clients, each with a server of its own behind it, and one that decides for all of them. */
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { NAME_PATTERN } from "../../contract/index.js";
import type { Logger } from "../../system/logger.js";
import type { System } from "../../system/index.js";
import { readToken } from "../../system/read_file.js";
import { uuid7 } from "../../system/uuid.js";
import type { SessionIdentity } from "./calls.js";
import { listenForClients, type Clients } from "./clients.js";
import type { GuardConfig } from "./config.js";
import { PipeEnd, type End } from "./end.js";
import { reportGuard } from "./log_events.js";
import type { Mapped } from "../../mapping/call_mapping.js";
import { openLogin } from "./oauth/server_login.js";
import type { Pins } from "./pins.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import type { Remit } from "./remit.js";
import { checkServerValues } from "./server_values.js";
import { connectServer } from "./servers.js";
import { Session } from "./session.js";
import { TASK_HEADER } from "./wire.js";

export interface McpGuardOptions {
  config: GuardConfig;
  pins: Pins;
  /** Decision point; closed with the guard. */
  remit: Remit;
  /** The host's task for a client over standard input and output; null: it names none. */
  task: string | null;
  /** False where no task and no grant would ever be permitted this. */
  possible?: (mapped: Mapped) => boolean;
  system: System;
  log: Logger;
  stdin?: NodeJS.ReadableStream;
  stdout?: NodeJS.WritableStream;
}

export interface RunningGuard {
  /** URL at which clients reach it; null: over standard input and output. */
  url: string | null;
  /** Resolves when its one client is gone; over HTTP, never by itself. */
  over: Promise<void>;
  close: () => Promise<void>;
}

const NAME = new RegExp(NAME_PATTERN);
/** Reads of the standard streams and what waits to be written, beside one whole message. */
const BUFFER_FACTOR = 2;

/** @throws Error where it can't listen, or a file of a token can't be read; ServerValueError, ServerLoginError */
export async function startGuard(options: McpGuardOptions): Promise<RunningGuard> {
  const { config, remit, system, log } = options;
  checkServerValues(config.server);
  const login = openLogin(config.server, system, (detail) => {
    reportGuard(log, "server_login_needed", detail);
  });
  login?.check();
  const uuid = uuid7(system.clock, system.random);
  const sessions = new Set<Session>();
  let finish = (): void => undefined;
  const over = new Promise<void>((resolve) => (finish = resolve));
  // A file may have gone since the start.
  const connected = (session: string): End => {
    try {
      return connectServer(config, system.timers, login);
    } catch (cause) {
      reportGuard(log, "server_unavailable", { session, cause: String(cause) });
      throw cause;
    }
  };
  const begin = async (id: string, end: End): Promise<void> => {
    const session: Session = new Session(id, end, connected(id), {
      ...options,
      possible: (mapped) => isPossible(options, mapped),
      timers: system.timers,
      identify: identifier(options),
      ended: async (who) => {
        // It expires, where it can't be ended now.
        if (who?.made === true) await remit.endTask(who.as.task, "the session is over").catch(() => undefined);
        sessions.delete(session);
        if (config.listen === undefined) finish();
      },
    });
    sessions.add(session);
    await session.begin();
  };
  let clients: Clients | null = null;
  if (config.listen === undefined) {
    const buffer = { maxBufferSize: config.limits.message_bytes_max * BUFFER_FACTOR };
    const transport = new StdioServerTransport(options.stdin as never, options.stdout as never, buffer);
    const end = new PipeEnd(transport, config.limits.waiting_bytes_max);
    (options.stdin ?? process.stdin).once("end", () => void end.close());
    await begin(uuid(), end);
  } else {
    const { token_file } = config.listen;
    const token = token_file === undefined ? null : readToken(token_file);
    clients = await listenForClients({ config, timers: system.timers, token, uuid, begin });
  }
  return {
    url: clients?.url ?? null,
    over,
    close: async () => {
      // Whoever decides is still asked for the end of their tasks.
      await Promise.allSettled([...sessions].map((session) => session.close()));
      await clients?.close();
      await remit.close();
    },
  };
}

/** Returns a function that identifies a session's calls, and creates its task if the host names none. */
function identifier({
  config,
  remit,
  task: ofHost,
  system,
}: McpGuardOptions): (session: string, headers: Readonly<Record<string, unknown>>) => Promise<SessionIdentity> {
  const { agent, agent_token_file, purpose, task: template } = config;
  const agent_token = agent_token_file === undefined ? null : (): string => tokenIn(agent_token_file);
  return async (session, headers) => {
    const named = headers[TASK_HEADER] ?? ofHost;
    if (typeof named === "string") {
      if (!NAME.test(named)) throw new CallRefusal("not_decided", { cause: "the host's task is no name" });
      return { as: { agent, purpose, task: named }, agent_token, made: false };
    }
    const { lasts_ms, ...members } = template;
    const id = `mcp-${session}`;
    try {
      await remit.createTask({ id, agent, purpose, ...members, expires: new Date(system.clock.wall() + lasts_ms).toISOString() });
    } catch (cause) {
      throw new CallRefusal("not_decided", { cause });
    }
    return { as: { agent, purpose, task: id }, agent_token, made: true };
  };
}

/** @throws CallRefusal `not_decided` */
function tokenIn(file: string): string {
  try {
    return readToken(file);
  } catch (cause) {
    throw new CallRefusal("not_decided", { cause: new Error("the file of the agent's token can't be read", { cause }) });
  }
}

function isPossible({ config, possible }: McpGuardOptions, mapped: Mapped): boolean {
  return (config.task.verbs?.includes(mapped.verb) ?? true) && (possible?.(mapped) ?? true);
}
