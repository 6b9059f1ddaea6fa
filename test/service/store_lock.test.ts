import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { lockOf } from "../../src/store/restore.js";
import { storeFile } from "../../src/store/folder.js";
import { ask, runWithFacts, withAgent } from "../http/asking.js";
import { ALL, REQUEST } from "../http/running.js";

/** Ends of the file that keeps a second service from the store, while the first one runs. */
const ENDS: Record<string, (file: string) => void> = {
  removed: (file) => {
    rmSync(file);
  },
  replaced: (file) => {
    writeFileSync(`${file}.new`, "");
    renameSync(`${file}.new`, file);
  },
  "in a folder that was moved": (file) => {
    renameSync(dirname(file), `${dirname(file)}.moved`);
  },
};

describe("a service whose lock of the store is gone", function () {
  for (const [what, end] of Object.entries(ENDS)) {
    it(`acknowledges nothing more once its file is ${what}: another service may have the store by then`, async () => {
      const service = await runWithFacts();
      try {
        await withAgent(service);
        const decide = async (): Promise<string> => (await ask(service, "POST", "/decide", { body: REQUEST, token: ALL })).outcome;
        expect(await decide()).to.equal("200");
        const [store] = readdirSync(service.folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("facts.db"));
        if (store === undefined) throw new Error("no store");
        end(`${lockOf(storeFile(dirname(join(service.folder, store))))}.db`);
        for (const until = Date.now() + 20_000; Date.now() < until && (await decide()) === "200";)
          await new Promise((resolve) => setTimeout(resolve, 100));
        expect(await decide()).to.equal("503 log_unavailable");
        const revoked = await ask(service, "POST", "/revocations", { body: { scope: { agent: "a-1" }, reason: "r" } });
        expect(revoked.body["durable"], "holds, and isn't said to be durable").not.to.equal(true);
      } finally {
        await service.stop();
      }
    });
  }
});
