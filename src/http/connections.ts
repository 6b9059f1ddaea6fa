/**
 * Connections that the server has at once. When there is no room, the newcomer isn't the one that is closed, since most newcomers are
 * somebody's first request: the oldest connection that never showed a good token goes first, then an idle one of the caller with most.
 */
import type { Socket } from "node:net";

/** Milliseconds that a connection may be idle before its first request with a good token. */
const ANONYMOUS_IDLE_MS = 5000;
/** Places beyond those for everybody, for what stops everything: so many, or as small a part of the whole. */
const RESERVED_MAX = 16;
const RESERVED_PART = 8;

interface Connection {
  /** TCP socket, also under TLS. */
  socket: Socket;
  /** Caller that proved itself over it; null: none. */
  caller: string | null;
  /** Answers that it is owed. */
  owed: number;
  /** Whether it has one of the reserved places. */
  reserved: boolean;
}

export interface ConnectionLimits {
  connections_max: number;
  keep_alive_ms: number;
}

export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #reservedMax: number;
  /** By peer, since a TLS socket isn't its TCP socket. The one that has been idle or anonymous longest comes first. */
  readonly #byPeer = new Map<string, Connection>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    this.#reservedMax = Math.min(RESERVED_MAX, Math.floor(limits.connections_max / RESERVED_PART));
  }

  get size(): number {
    return this.#byPeer.size;
  }

  /** Takes a new TCP connection in, or closes it. */
  opened(socket: Socket): void {
    const reserved = !this.#hasRoom(false, this.#limits.connections_max - this.#reservedMax);
    if (reserved && !this.#hasRoom(true, this.#reservedMax)) {
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    const connection: Connection = { socket, caller: null, owed: 0, reserved };
    this.#byPeer.set(peer, connection);
    socket.once("close", () => {
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
    });
  }

  /** Whether a connection has a place that is kept for what stops everything, and may ask for nothing else. */
  isReserved(socket: Socket): boolean {
    return this.#byPeer.get(peerOf(socket))?.reserved === true;
  }

  /**
   * A request has come over it.
   * @param caller returns the caller whose token it carries, if that was proven before
   */
  asked(socket: Socket, caller: () => string | null): void {
    const connection = this.#byPeer.get(peerOf(socket));
    if (connection === undefined) return;
    connection.owed++;
    connection.caller ??= caller();
  }

  /** A request over it has proven its caller. */
  proved(socket: Socket, caller: () => string): void {
    const connection = this.#byPeer.get(peerOf(socket));
    if (connection !== undefined) connection.caller ??= caller();
  }

  /** A request over it has been answered: from here on it is idle. */
  answered(socket: Socket): void {
    const peer = peerOf(socket);
    const connection = this.#byPeer.get(peer);
    if (connection === undefined) return;
    connection.owed--;
    if (connection.caller === null) {
      socket.setTimeout(Math.min(this.#limits.keep_alive_ms, ANONYMOUS_IDLE_MS));
      return;
    }
    // An anonymous one keeps its place in the order: asking for what is anybody's must not make it last longer.
    this.#byPeer.delete(peer);
    this.#byPeer.set(peer, connection);
  }

  /** Returns whether there is room for one more, of the reserved places or of the others; closes one for it if it has to. */
  #hasRoom(reserved: boolean, max: number): boolean {
    if (this.size < max) return true;
    const all = [...this.#byPeer].filter(([, one]) => one.reserved === reserved);
    return all.length < max || this.#closeOneOf(all);
  }

  /** Returns whether there was one to close. */
  #closeOneOf(all: readonly [string, Connection][]): boolean {
    const idle = mostOf(all.filter(([, { caller, owed }]) => caller !== null && owed === 0));
    const found = all.find(([, { caller }]) => caller === null) ?? idle;
    if (found === undefined) return false;
    const [peer, { socket }] = found;
    this.#byPeer.delete(peer);
    socket.destroy();
    return true;
  }
}

/** The first connection of the caller that has most of these. */
function mostOf(idle: readonly [string, Connection][]): [string, Connection] | undefined {
  const counts = new Map<string | null, number>();
  for (const [, { caller }] of idle) counts.set(caller, (counts.get(caller) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return idle.find(([, { caller }]) => counts.get(caller) === most);
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress ?? ""} ${remotePort ?? ""}`;
