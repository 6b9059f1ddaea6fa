import { join } from "node:path";
import { SqliteStore, type StoreEvents } from "../../src/store/sqlite.js";
import { systemTimers } from "../../src/system/index.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { keepsTheContract } from "./contract.js";

const quiet: StoreEvents = { unavailable: () => undefined, ready: () => undefined };
const queue = { queue_calls_max: 1000, queue_bytes_max: 100_000_000 };
const openStore = (file: string, events = quiet): Promise<SqliteStore> =>
  SqliteStore.open({ file, ...queue }, systemTimers, events);

describe("the store on SQLite", () => {
  keepsTheContract(() => {
    const file = join(temporaryDirectory(), "store.db");
    return { open: () => openStore(file) };
  });
});
