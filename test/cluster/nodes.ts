/** Nodes of a cluster as processes, each on servers of NATS that it reaches through links of its own. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import type { NatsServer } from "../../demo/nats/servers.js";
import { Child, placeIn, type Json, type Place } from "../service/child.js";

/** Of what goes over a link: what its node sends, or what it receives. */
type Way = "sent" | "received";

/** Connections from one node to one server, which can be cut and can hang. */
export class ServerLink {
  readonly #target: number;
  readonly #server: Server;
  /** By whose data they bring: what the node sends, or what it receives. */
  readonly #sockets = { sent: new Set<Socket>(), received: new Set<Socket>() };
  #state: "open" | "cut" | "hangs" = "open";

  private constructor(target: number) {
    this.#target = target;
    // Small writes that wait for the acknowledgement of earlier ones take 40 ms longer, which neither end asked for.
    this.#server = createServer({ allowHalfOpen: false, noDelay: true }, (from) => {
      if (this.#state !== "open") {
        from.destroy();
        return;
      }
      const to = connect({ port: this.#target, host: "127.0.0.1", noDelay: true });
      for (const [way, socket] of [
        ["sent", from],
        ["received", to],
      ] as const) {
        this.#sockets[way].add(socket);
        socket.once("close", () => {
          this.#sockets[way].delete(socket);
          from.destroy();
          to.destroy();
        });
        socket.on("error", () => undefined);
      }
      from.pipe(to);
      to.pipe(from);
    });
  }

  static async to(target: number): Promise<ServerLink> {
    const link = new ServerLink(target);
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Ends all connections, and takes no other. */
  cut(): void {
    this.#state = "cut";
    for (const socket of this.#all) socket.destroy();
  }

  /** Nothing comes through any more, and nobody is told. @param way in which nothing does; without: in both */
  hang(way?: Way): void {
    this.#state = "hangs";
    for (const socket of way === undefined ? this.#all : this.#sockets[way]) socket.pause();
  }

  heal(): void {
    const hung = this.#state === "hangs";
    this.#state = "open";
    if (hung) for (const socket of this.#all) socket.resume();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  get #all(): Socket[] {
    return [...this.#sockets.sent, ...this.#sockets.received];
  }
}

export interface ClusterOptions {
  lease_ms: number;
  fleet_within_ms?: number;
  replicas: number;
  /** True for connections straight to the servers, which can't be cut. @default false */
  isDirect?: boolean;
  nodes_max?: number;
  /** Build that the nodes run. @default this one */
  main?: string;
  /** Node whose issuers this one trusts too, so that a token of one is taken by both. */
  trusts?: ClusterNode;
  /** Members of `cluster` in the configuration, beside these. */
  more?: Json;
  /** Sections of the configuration. */
  sections?: Readonly<Record<string, Json>>;
  /** Environment of its processes, beside this one's. */
  env?: Readonly<Record<string, string>>;
}

/** A node with its folder and its links; started, it is a process. */
export class ClusterNode {
  readonly name: string;
  readonly place: Place;
  readonly links: readonly ServerLink[];
  readonly #env: Readonly<Record<string, string>>;
  child: Child;

  private constructor(name: string, place: Place, links: readonly ServerLink[], env: Readonly<Record<string, string>>) {
    this.name = name;
    this.place = place;
    this.links = links;
    this.#env = env;
    this.child = new Child(place, env);
  }

  static async start(name: string, folder: string, servers: readonly NatsServer[], options: ClusterOptions): Promise<ClusterNode> {
    const { replicas, trusts, main, more, sections: given, env = {}, isDirect = false, ...rest } = options;
    const links = isDirect ? [] : await Promise.all(servers.map(({ url }) => ServerLink.to(Number(new URL(url).port))));
    const urls = (isDirect ? servers : links).map(({ url }) => url);
    const cluster = { name: "tests", node: name, nats: { servers: urls, replicas }, ...rest, ...more };
    const sections = {
      behavior: { enabled: false },
      ...given,
      cluster,
      ...(trusts !== undefined && { identity: identityOf(trusts.place) }),
    };
    const own = placeIn(join(folder, name), sections, main);
    const place = trusts === undefined ? own : { ...own, token: trusts.place.token };
    return new ClusterNode(name, place, links, env);
  }

  /** Begins it again, as another process, which may never get ready. */
  begin(): void {
    this.child = new Child(this.place, this.#env);
  }

  /** Starts it again, as another process. */
  async again(): Promise<void> {
    this.begin();
    await this.child.ready();
  }

  /** Stops it in order, and starts another build in its place. */
  async becomes(main: string): Promise<void> {
    await this.child.stop();
    this.place.main = main;
    await this.again();
  }

  cut(): void {
    for (const link of this.links) link.cut();
  }

  hang(way?: Way): void {
    for (const link of this.links) link.hang(way);
  }

  heal(): void {
    for (const link of this.links) link.heal();
  }

  freeze(frozen: boolean): void {
    process.kill(this.child.pid, frozen ? "SIGSTOP" : "SIGCONT");
  }

  async close(): Promise<void> {
    await this.child.kill();
    for (const link of this.links) link.close();
  }
}

/** Identity of a place's configuration, with files that are found from elsewhere. */
function identityOf({ config }: Place): Json {
  const { identity } = parse(readFileSync(config, "utf8")) as { identity: { issuers: { keys: { file: string }[] }[] } };
  for (const { keys } of identity.issuers) for (const key of keys) key.file = resolve(dirname(config), key.file);
  return identity;
}
