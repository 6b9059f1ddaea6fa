import { MemoryDisk, MemoryStore } from "../../src/store/memory.js";
import { systemTimers } from "../../src/system/index.js";
import { keepsTheContract } from "./contract.js";

describe("the store in memory", () => {
  keepsTheContract(() => {
    const disk = new MemoryDisk();
    return { open: () => Promise.resolve(new MemoryStore(systemTimers, disk)) };
  });
});
