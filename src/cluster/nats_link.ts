/** The link between nodes over core NATS: one subject, on which everybody listens. */
import type { NatsConnection } from "@nats-io/transport-node";
import { createInbox } from "@nats-io/transport-node";
import type { Link } from "./link.js";
import type { QuestionWire } from "./questions.js";

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

/** Questions between nodes: one subject for them, and an inbox of its own for the answers to each. */
export function natsQuestions(connection: NatsConnection, cluster: string): QuestionWire {
  const subject = `remit-ask.${cluster}`;
  return {
    ask(text, answered) {
      if (connection.isClosed()) return () => undefined;
      const inbox = createInbox();
      const subscription = connection.subscribe(inbox, {
        callback: (error, message) => {
          if (error === null) answered(message.string());
        },
      });
      connection.publish(subject, text, { reply: inbox });
      return () => {
        if (!connection.isClosed()) subscription.unsubscribe();
      };
    },
    serve(take) {
      const subscription = connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) take(message.string(), (text) => message.respond(text));
        },
      });
      return () => {
        if (!connection.isClosed()) subscription.unsubscribe();
      };
    },
  };
}
