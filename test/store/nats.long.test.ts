import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NatsStore } from "../../src/store/nats.js";
import { systemTimers } from "../../src/system/index.js";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../dev/nats/servers.js";
import { skip } from "../skip.js";
import { keepsTheContract } from "./contract.js";

let stores = 0;

for (const servers of [1, 3]) {
  describe(`the store on NATS, with ${servers} server(s)`, function () {
    let running: NatsServer[] = [];
    let folder: string;
    before(async function () {
      folder = mkdtempSync(join(tmpdir(), "remit-nats-"));
      try {
        running = await startNats(servers, folder);
      } catch (cause) {
        if (cause instanceof NatsUnavailable) skip(this, cause.message);
        throw cause;
      }
    });
    after(async () => {
      await stopNats(running);
      rmSync(folder, { recursive: true, force: true });
    });

    keepsTheContract(() => {
      const name = `t${++stores}`;
      return { open: () => openStore(name, running) };
    }, 1000);
  });
}

async function openStore(name: string, servers: readonly NatsServer[]): Promise<NatsStore> {
  return NatsStore.open(
    { name, connection: { servers: servers.map(({ url }) => url) }, replicas: servers.length, marks_kept_s: 30, unsure_after_ms: 10_000 },
    systemTimers,
    { unavailable: () => undefined, ready: () => undefined, broken: () => undefined },
  );
}
