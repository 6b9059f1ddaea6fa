/** A wire between an engine and its service, of plain TCP: it can be cut, so that nothing passes and nobody is told, or broken. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export class Wire {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #cut = false;
  /** Requests that hand records in. */
  handedIn = 0;
  /** Where new connections go; another port after a restart. */
  target: number;

  static async to(port: number): Promise<Wire> {
    const wire = new Wire(port);
    wire.#server.listen(0, "127.0.0.1");
    await once(wire.#server, "listening");
    return wire;
  }

  private constructor(port: number) {
    this.target = port;
    this.#server = createServer((near) => {
      const far = connect(this.target, "127.0.0.1");
      const pair = [near, far] as const;
      this.#pairs.add(pair);
      for (const [one, other] of [pair, [far, near] as const]) {
        one.on("data", (bytes) => {
          if (one === near && bytes.includes("POST /records ")) this.handedIn++;
          if (!this.#cut) other.write(bytes);
        });
        one.on("error", () => undefined);
        one.on("close", () => {
          this.#pairs.delete(pair);
          other.destroy();
        });
      }
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on nothing passes, in either direction, and no connection ends. */
  cut(): void {
    this.#cut = true;
  }

  /** New connections are let through again; those that were cut have lost what was on its way. */
  mend(): void {
    this.#cut = false;
    this.break();
  }

  break(): void {
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  async close(): Promise<void> {
    this.break();
    this.#server.close();
    await once(this.#server, "close");
  }
}
