import { join } from "node:path";
import { expect } from "chai";
import { kafkaPoster } from "../../../src/audit/export/kafka.js";
import { system } from "../../../src/system/index.js";
import { temporaryDirectory } from "../temporary.js";

const EVENTS = [{ seq: 1, log: "remit/a", text: Buffer.from("{}") }];
const POST = { timeout_ms: 200, format: "json_lines", gzip: false } as const;

describe("a topic of Kafka without a broker", () => {
  const failing: [what: string, tls: { ca: string } | undefined, problem: RegExp][] = [
    ["nobody listens", undefined, /ECONNREFUSED|no acknowledgement|connect/i],
    ["its certificates can't be read", { ca: join(temporaryDirectory(), "missing.pem") }, /ENOENT/],
  ];
  for (const [what, tls, problem] of failing) {
    it(`fails where ${what}, and leaves nothing behind that fails once it is closed`, async () => {
      const unhandled: unknown[] = [];
      const note = (cause: unknown): void => void unhandled.push(cause);
      const others = process.listeners("unhandledRejection");
      process.removeAllListeners("unhandledRejection").on("unhandledRejection", note);
      try {
        const to = { brokers: ["127.0.0.1:9"], topic: "records" };
        const { each, close } = kafkaPoster(to, { ...POST, ...(tls !== undefined && { tls }) }, system);
        const failed = await each(EVENTS).then(
          () => null,
          (cause: unknown) => cause as Error,
        );
        expect(failed?.message).to.match(problem);
        close();
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(unhandled).to.deep.equal([]);
      } finally {
        process.removeListener("unhandledRejection", note);
        for (const other of others) process.on("unhandledRejection", other);
      }
    });
  }
});
