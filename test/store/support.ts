import type { Change, Json, Store, Write } from "../../src/store/store.js";

export function write(key: string, expected: number, value: Json = null, said: Partial<Write> = {}): Write {
  return { key, expected, value, by: "tests", time: "2026-03-03T10:15:00Z", reason: null, change: "set", ...said };
}

export async function allEntries(store: Store): Promise<Change[]> {
  const entries: Change[] = [];
  for await (const chunk of store.entries()) entries.push(...chunk);
  return entries;
}

/** Every change, its number checked. */
export async function allChanges(store: Store): Promise<Change[]> {
  const changes: Change[] = [];
  for (;;) {
    const page = await store.changes(changes.length, 1000);
    for (const change of page) {
      changes.push(change);
      if (change.revision !== changes.length) throw new Error(`revision ${change.revision} at ${changes.length}`);
    }
    if (page.length < 1000) return changes;
  }
}

export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (cause) {
    if (cause instanceof Error) return cause;
  }
  throw new Error("it did not fail");
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
