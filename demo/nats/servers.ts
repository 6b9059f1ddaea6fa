/**
 * NATS servers on loopback, for tests and for trying a cluster: the version that `demo/nats/go.mod` pins, built once with Go into a cache
 * outside the tree.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { asset } from "../../src/system/paths.js";
import { freePorts } from "../ports.js";

const MODULE = "github.com/nats-io/nats-server/v2";
const BUILD_MS_MAX = 600_000;
const READY_MS_MAX = 20_000;
const CURRENT_MS_MAX = 120_000;

/** The server can't be built or started here. */
export class NatsUnavailable extends Error {
  override readonly name = "NatsUnavailable";
}

/** Returns the version of the server that is pinned. */
export function pinnedNatsVersion(): string {
  const found = new RegExp(`${MODULE} v(\\S+)`).exec(readFileSync(asset("demo", "nats", "go.mod"), "utf8"))?.[1];
  if (found === undefined) throw new Error("demo/nats/go.mod pins no server");
  return found;
}

/**
 * Returns the path of the pinned server, which is built if it isn't in the cache.
 * @throws NatsUnavailable
 */
export async function natsServer(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const folder = join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit");
  const path = join(folder, `nats-server-${pinnedNatsVersion()}`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const partial = `${path}.${process.pid}`;
  try {
    await promisify(execFile)("go", ["build", "-C", asset("demo", "nats"), "-trimpath", "-o", partial, MODULE], {
      timeout: BUILD_MS_MAX,
      env: { ...env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
    });
  } catch (cause) {
    throw new NatsUnavailable(`nats-server isn't in the cache and can't be built: ${(cause as Error).message.split("\n")[0] ?? ""}`, {
      cause,
    });
  }
  renameSync(partial, path);
  return path;
}

const lastLine = (log: string): string => log.trimEnd().split("\n").at(-1) ?? "";
const logOf = (config: string): string => `${config}.log`;

/** One server of a cluster, with a folder of its own. */
export class NatsServer {
  readonly url: string;
  readonly name: string;
  #path: string;
  readonly #config: string;
  readonly #port: number;
  readonly #monitor: number;
  #process: ChildProcess | null = null;

  /** @param ports for clients and for its health */
  constructor(name: string, path: string, config: string, [port, monitor]: readonly [number, number]) {
    this.name = name;
    this.#path = path;
    this.#config = config;
    this.#port = port;
    this.#monitor = monitor;
    this.url = `nats://127.0.0.1:${port}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Runs another version from its next start on. */
  use(path: string): void {
    this.#path = path;
  }

  /** What it has logged. */
  get said(): string {
    return existsSync(logOf(this.#config)) ? readFileSync(logOf(this.#config), "utf8") : "";
  }

  start(): void {
    this.#process = spawn(this.#path, ["-c", this.#config], { stdio: "ignore" });
  }

  /** Resolves when it accepts connections. */
  async ready(): Promise<void> {
    const until = Date.now() + READY_MS_MAX;
    while (!(await accepts(this.#port))) {
      if (Date.now() > until || this.#process?.exitCode !== null)
        throw new NatsUnavailable(`nats-server doesn't start with ${this.#config}: ${lastLine(this.said)}`);
      await pause(20);
    }
  }

  /** Resolves when it has what the other servers have: until then those can't spare another. */
  async current(): Promise<void> {
    const until = Date.now() + CURRENT_MS_MAX;
    const isCurrent = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${this.#monitor}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await isCurrent())) {
      if (Date.now() > until) throw new NatsUnavailable(`nats-server doesn't catch up with ${this.#config}`);
      await pause(20);
    }
  }

  /** Ends it, and resolves when it has ended. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
  }

  /** Stops it from running, or lets it run again. */
  freeze(frozen: boolean): void {
    this.#process?.kill(frozen ? "SIGSTOP" : "SIGCONT");
  }
}

export interface NatsOptions {
  /** Path of the server to run. @default the pinned one */
  program?: string;
  /** When what is stored is synced: `always`, before it is acknowledged, or each so often, such as `2m`. @default "always" */
  sync?: string;
}

/**
 * Starts servers that are one cluster.
 * @param folder for their configuration and data
 * @throws NatsUnavailable
 */
export async function startNats(count: number, folder: string, { program, sync = "always" }: NatsOptions = {}): Promise<NatsServer[]> {
  const path = program ?? (await natsServer());
  const ports = await freePorts(3 * count);
  const [clients, members, monitors] = [0, 1, 2].map((i) => ports.slice(i * count, (i + 1) * count)) as [number[], number[], number[]];
  const routes = members.map((port) => `nats://127.0.0.1:${port}`);
  const servers = clients.map((port, i) => {
    const monitor = monitors[i] ?? 0;
    const name = `n${i + 1}`;
    const config = join(folder, `server-${i + 1}.conf`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      config,
      [
        `server_name: "${name}"`,
        `listen: "127.0.0.1:${port}"`,
        `http: "127.0.0.1:${monitor}"`,
        'write_deadline: "2s"',
        `log_file: ${JSON.stringify(logOf(config))}`,
        `jetstream { store_dir: ${JSON.stringify(join(folder, `server-${i + 1}`))}, sync_interval: ${sync} }`,
        count > 1 ? `cluster { name: "remit", listen: "127.0.0.1:${members[i] ?? 0}", routes: ${JSON.stringify(routes)} }` : "",
      ].join("\n"),
    );
    return new NatsServer(name, path, config, [port, monitor]);
  });
  for (const server of servers) server.start();
  try {
    for (const server of servers) await server.ready();
    await canStore(servers);
  } catch (cause) {
    await stopNats(servers);
    throw cause;
  }
  return servers;
}

/** Waits until a stream with a copy on each server can be made: servers elect one another first. */
async function canStore(servers: readonly NatsServer[]): Promise<void> {
  const connection = await connectNats({ servers: servers.map(({ url }) => url) });
  try {
    const until = Date.now() + READY_MS_MAX;
    const jsm = await jetstreamManager(connection, { timeout: 1000, checkAPI: false });
    for (;;) {
      try {
        await jsm.streams.add({ name: "probe", subjects: ["probe"], num_replicas: servers.length });
        await jsm.streams.delete("probe");
        return;
      } catch (cause) {
        if (Date.now() > until) throw new NatsUnavailable("the servers don't become a cluster", { cause });
        await pause(100);
      }
    }
  } finally {
    await connection.close();
  }
}

export async function stopNats(servers: readonly NatsServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.kill()));
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", () => {
      end(true);
    });
    socket.once("error", () => {
      end(false);
    });
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
