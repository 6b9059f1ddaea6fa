/** When a connection that was lost is tried again, and with which server. */
import type { NodeConnectionOptions } from "@nats-io/transport-node";
import type { Clock } from "../system/index.js";

/** Milliseconds from one attempt at a server to the next at the same. */
const AGAIN_MS = 50;

/**
 * Options of a connection that have each server tried in turn, the one first that was tried longest ago, by the monotonic clock. The
 * library counts by the wall clock: set back by an hour, it would try no server for an hour.
 */
export function dialing(clock: Pick<Clock, "monotonic">): Pick<NodeConnectionOptions, "reconnectDelayHandler" | "reconnectToServer"> {
  const tried = new Map<string, number>();
  const triedAt = ({ listen }: { listen: string }): number => tried.get(listen) ?? -Infinity;
  return {
    // For the library an attempt is always due; the wait is the one below.
    reconnectDelayHandler: () => -Infinity,
    reconnectToServer: (servers) => {
      const [first, ...others] = servers;
      if (first === undefined) return null;
      const server = others.reduce((longest, one) => (triedAt(one) < triedAt(longest) ? one : longest), first);
      const delay = Math.max(0, triedAt(server) + AGAIN_MS - clock.monotonic());
      tried.set(server.listen, clock.monotonic() + delay);
      return { server, delay };
    },
  };
}
