/** Follows `GET /events`, for what is kept or running. */
import { strictJson } from "./strict_json.js";
import type { ChangeEvent, ReadyEvent } from "../contract/index.js";
import { Connection } from "./connection.js";
import type { StreamedEvent } from "./event_source.js";
import { ChangeReceiver } from "./change_receiver.js";
import type { Outside } from "./outside.js";
import type { Carrier } from "./transport.js";

const EVENT_LENGTH_MAX = 64 * 1024;

export class Follower extends ChangeReceiver {
  readonly #connection: Connection;

  /** @param headMs until a stream has begun */
  constructor(carrier: Pick<Carrier, "open">, outside: Outside, headMs: number) {
    super(outside);
    const options = { path: "events", head_ms: headMs, event_length_max: EVENT_LENGTH_MAX };
    this.#connection = new Connection(carrier, outside, options, {
      take: (received, resumed) => this.#take(received, resumed),
      heard: () => undefined,
      silent: () => {
        this.silent();
      },
    });
  }

  start(): void {
    this.#connection.start();
  }

  close(): void {
    this.#connection.close();
  }

  #take({ event, data }: StreamedEvent, resumed: boolean): number | null {
    const said: unknown = strictJson(data);
    if (typeof said !== "object" || said === null) throw new TypeError("not an event of this service");
    switch (event) {
      case "change":
        this.happened({ what: "change", change: said as ChangeEvent });
        return null;
      case "policy":
        this.happened({ what: "anew" });
        return null;
      case "reset":
        this.anew((said as { facts_revision: number }).facts_revision);
        return null;
      case "ready": {
        const { facts_revision, heartbeat_ms } = said as ReadyEvent;
        this.live(facts_revision, resumed);
        return heartbeat_ms;
      }
      default:
        return null;
    }
  }
}
