/**
 * A process under load: changes a store without pause and prints what was acknowledged, as a tag and its revisions. What the
 * store refuses it tries again, as if nothing had been written.
 */
import { writeSync } from "node:fs";
import { SqliteStore } from "../../src/store/sqlite.js";
import { systemTimers } from "../../src/system/index.js";
import { StoreUnavailable } from "../../src/store/store.js";
import { allEntries, until, write } from "./support.js";

const [file = "", run = "", clients = "16"] = process.argv.slice(2);
const store = await SqliteStore.open({ file, queue_calls_max: 1000, queue_bytes_max: 10_000_000 }, systemTimers, {
  unavailable: () => undefined,
  ready: () => undefined,
});
const last = new Map((await allEntries(store)).map(({ key, revision }) => [key, revision]));
print("open\n");

/** At once, however slowly it is read. */
function print(line: string): void {
  for (let rest = Buffer.from(line); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EAGAIN") throw cause;
    }
  }
}

async function client(name: number): Promise<void> {
  for (let call = 0; ; call++) {
    const tag = `${run}-${name}-${call}`;
    const of = 1 + ((name + call) % 5);
    const keys = Array.from({ length: of }, (_, i) => (i === 0 ? `counter/${name}` : `new/${tag}/${i}`));
    const value = { tag, of, pad: "x".repeat((name * 37 + call * 11) % 900) };
    const revisions = await patiently(() => store.write(keys.map((key) => write(key, last.get(key) ?? 0, value))));
    keys.forEach((key, i) => last.set(key, revisions[i] ?? 0));
    print(`${tag} ${revisions.join(" ")}\n`);
  }
}
async function patiently<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (cause) {
      if (!(cause instanceof StoreUnavailable)) throw cause;
      await until(() => store.healthy);
    }
  }
}
await Promise.all(Array.from({ length: Number(clients) }, (_, name) => client(name)));
