/** The link between nodes over core NATS: one subject, on which everybody listens. */
import type { NatsConnection } from "@nats-io/transport-node";
import type { Link } from "./link.js";

export function natsLink(connection: NatsConnection, cluster: string): Link {
  const subject = `remit-link.${cluster}`;
  return {
    send(message) {
      if (!connection.isClosed()) connection.publish(subject, JSON.stringify(message));
    },
    receive(take) {
      const subscription = connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) take(message.string());
        },
      });
      return () => {
        if (!connection.isClosed()) subscription.unsubscribe();
      };
    },
  };
}
