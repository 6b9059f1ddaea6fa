/**
 * Connections that the server has at once. When there is no room, the newcomer isn't the one that is closed, since most newcomers are
 * somebody's first request: the oldest connection that never showed a good token goes first, then one of the caller with most. No caller
 * has more than its share.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Timers } from "./index.js";

/** Milliseconds that a connection may be idle before its first request with a good token. */
const ANONYMOUS_IDLE_MS = 5000;
/** Places beyond those for everybody, for what stops everything: so many, or as small a part of the whole. */
const RESERVED_MAX = 16;
const RESERVED_PART = 8;
/** Part of the places, of the reserved ones and of the others each, that one caller may have. */
const CALLER_PART = 2;
/** Milliseconds in which a revoked caller may still read the answer that says so. */
const FAREWELL_MS = 1000;

interface Connection {
  peer: string;
  /** TCP socket, also under TLS. */
  socket: Socket;
  /** Caller that proved itself over it; null: none. */
  caller: string | null;
  /** Requests whose answers it is owed. */
  owed: Set<RequestState>;
  /** True if it has one of the reserved places. */
  reserved: boolean;
}

type RequestState = Pick<IncomingMessage, "complete">;

export interface ConnectionLimits {
  connections_max: number;
  keep_alive_ms: number;
}

export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #timers: Pick<Timers, "after">;
  readonly #reservedMax: number;
  readonly #crowded: () => void;
  /** Connections by peer, since a TLS socket isn't its TCP socket. The one that has been idle or anonymous longest comes first. */
  readonly #byPeer = new Map<string, Connection>();
  /** Connections by the socket that requests arrive on: naming a peer takes as long as the rest, for each request several times. */
  readonly #bySocket = new WeakMap<Socket, Connection>();

  /** @param crowded called for each connection that is closed since another takes its place, or since none is left for it */
  constructor(limits: ConnectionLimits, timers: Pick<Timers, "after">, crowded: () => void = () => undefined) {
    this.#limits = limits;
    this.#crowded = crowded;
    this.#timers = timers;
    this.#reservedMax = Math.min(RESERVED_MAX, Math.floor(limits.connections_max / RESERVED_PART));
  }

  get size(): number {
    return this.#byPeer.size;
  }

  /** Takes a new TCP connection in, or closes it. */
  opened(socket: Socket): void {
    const reserved = !this.#hasRoom(false);
    if (reserved && !this.#hasRoom(true)) {
      this.#crowded();
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    const connection: Connection = { peer, socket, caller: null, owed: new Set(), reserved };
    this.#byPeer.set(peer, connection);
    socket.once("close", () => {
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
    });
  }

  /** Returns true if a connection has a place that is reserved for stopping everything, and may ask for nothing else. */
  isReserved(socket: Socket): boolean {
    return this.#of(socket)?.reserved === true;
  }

  /**
   * Registers a request whose head has come over it.
   * @param caller returns the caller whose token it carries, if that was proven before
   * @returns false if the connection is closed, since its caller has its share of them
   */
  asked(socket: Socket, request: RequestState, caller: () => string | null): boolean {
    const connection = this.#of(socket);
    if (connection === undefined) return true;
    connection.owed.add(request);
    this.#attribute(connection, caller);
    return this.#byPeer.has(connection.peer);
  }

  /** A request over it has proven its caller. */
  proved(socket: Socket, caller: () => string | null): void {
    const connection = this.#of(socket);
    if (connection !== undefined) this.#attribute(connection, caller);
  }

  /** A request over it has been answered: with the last of them it is idle. */
  answered(socket: Socket, request: RequestState): void {
    const connection = this.#of(socket);
    if (connection?.owed.delete(request) !== true) return;
    if (connection.caller === null) {
      socket.setTimeout(Math.min(this.#limits.keep_alive_ms, ANONYMOUS_IDLE_MS));
      return;
    }
    // An anonymous one keeps its place in the order: asking for what is anybody's must not make it last longer.
    this.#byPeer.delete(connection.peer);
    this.#byPeer.set(connection.peer, connection);
  }

  /** Cuts the connections of a caller that is revoked. Where a whole request waits for its answer, that may still be read. */
  cut(caller: string): void {
    for (const connection of [...this.#byPeer.values()]) {
      if (connection.caller !== caller) continue;
      connection.caller = null;
      if (!isWhole(connection)) this.#close(connection);
      else
        this.#timers.after(FAREWELL_MS, () => {
          this.#close(connection);
        });
    }
  }

  /** Undefined for one that was closed here, or never taken in. */
  #of(socket: Socket): Connection | undefined {
    const known = this.#bySocket.get(socket) ?? this.#byPeer.get(peerOf(socket));
    if (known === undefined || this.#byPeer.get(known.peer) !== known) return undefined;
    this.#bySocket.set(socket, known);
    return known;
  }

  #attribute(connection: Connection, caller: () => string | null): void {
    if (connection.caller !== null) return;
    connection.caller = caller();
    if (connection.caller === null) return;
    const { reserved } = connection;
    const own = this.#all(reserved).filter((one) => one.caller === connection.caller);
    if (own.length > Math.max(1, Math.floor(this.#max(reserved) / CALLER_PART))) {
      this.#crowded();
      this.#close(leastLost(own));
    }
  }

  /** Returns whether there is room for one more, of the reserved places or of the others; closes one for it if it has to. */
  #hasRoom(reserved: boolean): boolean {
    const max = this.#max(reserved);
    if (this.size < max) return true;
    const all = this.#all(reserved);
    if (all.length < max) return true;
    const found = all.find(({ caller }) => caller === null) ?? ofMost(all);
    if (found === undefined) return false;
    this.#crowded();
    this.#close(found);
    return true;
  }

  /** Reserved places, or the others. */
  #max(reserved: boolean): number {
    return reserved ? this.#reservedMax : this.#limits.connections_max - this.#reservedMax;
  }

  #all(reserved: boolean): Connection[] {
    return [...this.#byPeer.values()].filter((one) => one.reserved === reserved);
  }

  #close(connection: Connection | undefined): void {
    if (connection === undefined) return;
    if (this.#byPeer.get(connection.peer) === connection) this.#byPeer.delete(connection.peer);
    connection.socket.destroy();
  }
}

/** Returns a connection of the caller that has most of these; a request that is whole is given up by no caller that has one connection. */
function ofMost(all: readonly Connection[]): Connection | undefined {
  const counts = new Map<string | null, number>();
  for (const { caller } of all) counts.set(caller, (counts.get(caller) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const found = leastLost(all.filter(({ caller }) => counts.get(caller) === most));
  return most === 1 && found !== undefined && isWhole(found) ? undefined : found;
}

/** Returns the connection with which least is lost: one that is idle, or has an unfinished request; otherwise the newest. */
function leastLost(all: readonly Connection[]): Connection | undefined {
  return all.find(({ owed }) => owed.size === 0) ?? all.find((one) => !isWhole(one)) ?? all.at(-1);
}

/** Returns true if the connection waits for the answer to a request that has arrived whole. */
const isWhole = ({ owed }: Connection): boolean => [...owed].some(({ complete }) => complete);

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress ?? ""} ${remotePort ?? ""}`;
