import { expect } from "chai";
import { STORE_LIMITS, StoreConflict, StoreInvalid, StoreUnavailable } from "../../src/store/store.js";
import type { Change, ChangeFilter, Json, Mark, Store, Write } from "../../src/store/store.js";
import { isChange } from "../../src/store/store.js";
import { allChanges, allEntries, failureOf, until, write } from "./support.js";

/** A store's place: opened again, it holds what was acknowledged. */
export interface Place {
  open(): Promise<Store>;
}

/**
 * What every store keeps to.
 * @param increments how many are made at once
 */
export function keepsTheContract(place: () => Place, increments = 10_000): void {
  let at: Place;
  let store: Store;

  beforeEach(async () => {
    at = place();
    store = await at.open();
  });
  afterEach(() => store.close());

  const reopen = async (): Promise<void> => {
    await store.close();
    store = await at.open();
  };

  it("begins empty, at revision 0", async () => {
    expect(store.revision).to.equal(0);
    expect(store.healthy).to.be.true;
    expect(await allEntries(store)).to.deep.equal([]);
    expect(await store.changes(0, 10)).to.deep.equal([]);
  });

  it("keeps a change with all that was said about it", async () => {
    const written = write("agent/a", 0, { status: "active" }, { by: "ada", reason: "new", change: "agent_created" });
    expect(await store.write([written])).to.deep.equal([1]);
    const kept = await store.changes(0, 10);
    expect(kept.map((change) => ({ expected: 0, ...change }))).to.deep.equal([{ revision: 1, ...written }]);
    expect(store.revision).to.equal(1);
  });

  it("takes a change that names the key's last revision, and tells the next", async () => {
    expect(await store.write([write("k", 0, 1)])).to.deep.equal([1]);
    expect(await store.write([write("other", 0)])).to.deep.equal([2]);
    expect(await store.write([write("k", 1, 2)])).to.deep.equal([3]);
    expect(await store.write([write("k", 3, null)])).to.deep.equal([4]);
    expect((await allEntries(store)).map(({ key, revision, value }) => [key, revision, value])).to.deep.equal([
      ["other", 2, null],
      ["k", 4, null],
    ]);
  });

  const conflicts: [name: string, key: string, expected: number, found: number][] = [
    ["creates what exists", "k", 0, 3],
    ["changes what another has changed since", "k", 1, 3],
    ["names a revision that is to come", "k", 4, 3],
    ["names another key's revision", "k", 2, 3],
    ["changes what never existed", "never", 1, 0],
    ["changes a key that differs by case", "K", 3, 0],
  ];
  for (const [name, key, expected, found] of conflicts) {
    it(`refuses one that ${name}`, async () => {
      await store.write([write("k", 0), write("other", 0)]);
      await store.write([write("k", 1)]);
      const conflict = await failureOf(store.write([write(key, expected)]));
      expect(conflict).to.be.instanceOf(StoreConflict);
      expect(conflict).to.include({ key, expected, found });
      expect(store.revision).to.equal(3);
      expect(await allChanges(store)).to.have.length(3);
    });
  }

  it("writes all of a call or nothing, wherever in it the conflict is", async () => {
    await store.write([write("taken", 0)]);
    for (const position of [0, 1, 2]) {
      const call = [write("a", 0), write("b", 0)];
      call.splice(position, 0, write("taken", 0));
      expect(await failureOf(store.write(call))).to.include({ name: "StoreConflict", key: "taken", found: 1 });
    }
    expect(store.revision).to.equal(1);
    expect(await store.write([write("a", 0), write("b", 0), write("taken", 1)])).to.deep.equal([2, 3, 4]);
    expect((await allEntries(store)).map(({ key }) => key)).to.deep.equal(["a", "b", "taken"]);
  });

  it("lets a conflict fail alone among calls made at once", async () => {
    await store.write([write("taken", 0)]);
    const calls = Array.from({ length: 60 }, (_, i) => [write(`a/${i}`, 0), write(i % 3 === 1 ? "taken" : `b/${i}`, 0)]);
    const outcomes = await Promise.allSettled(calls.map((call) => store.write(call)));
    expect(outcomes.map(({ status }) => status)).to.deep.equal(calls.map((_, i) => (i % 3 === 1 ? "rejected" : "fulfilled")));
    const kept = (await allChanges(store)).slice(1).map(({ key }) => key);
    expect(kept).to.deep.equal(calls.filter((_, i) => i % 3 !== 1).flatMap((call) => call.map(({ key }) => key)));
  });

  it("gives a key to one of those that create it at once", async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => store.write([write("k", 0, i)])));
    const won = outcomes.flatMap(({ status }, i) => (status === "fulfilled" ? [i] : []));
    expect(won).to.have.length(1);
    expect((await allChanges(store)).map(({ value }) => value)).to.deep.equal(won);
  });

  it("numbers changes without gaps, in the order of calls, and answers in that order", async () => {
    const answered: number[] = [];
    const calls = Array.from({ length: 200 }, (_, i) => [write(`a/${i}`, 0, i), write(`b/${i}`, 0, i)]);
    await Promise.all(calls.map((call) => store.write(call).then((revisions) => answered.push(...revisions))));
    expect(answered).to.deep.equal(Array.from({ length: 400 }, (_, i) => i + 1));
    expect((await allChanges(store)).map(({ key }) => key)).to.deep.equal(calls.flat().map(({ key }) => key));
  });

  it("knows after it was opened again what was acknowledged, and goes on from there", async () => {
    for (let i = 0; i < 30; i++) await store.write([write(`k/${i % 7}`, i < 7 ? 0 : i - 6, { i })]);
    const [entries, changes] = [await allEntries(store), await allChanges(store)];
    await reopen();
    expect(store.revision).to.equal(30);
    expect(await allEntries(store)).to.deep.equal(entries);
    expect(await allChanges(store)).to.deep.equal(changes);
    expect(await failureOf(store.write([write("k/0", 0)]))).to.include({ name: "StoreConflict" });
    expect(await store.write([write("new", 0)])).to.deep.equal([31]);
  });

  it("yields each key once by its latest change, in chunks that stay small", async () => {
    await writeMany(store, 2500);
    const calls = Array.from({ length: 5 }, (_, call) =>
      Array.from({ length: 100 }, (_, i) => write(`k/${call * 100 + i}`, call * 100 + i + 1, "again")),
    );
    for (const call of calls) await store.write(call);
    const chunks: Change[][] = [];
    for await (const chunk of store.entries()) chunks.push(chunk);
    expect(chunks.length).to.be.greaterThan(1);
    expect(Math.max(...chunks.map(({ length }) => length))).to.be.at.most(1000);
    const entries = chunks.flat();
    expect(entries.map(({ revision }) => revision)).to.deep.equal(Array.from({ length: 2500 }, (_, i) => 501 + i));
    expect(new Set(entries.map(({ key }) => key)).size).to.equal(2500);
    expect(entries.filter(({ value }) => value === "again")).to.have.length(500);
  });

  it("misses no key in the entries while keys change", async () => {
    await writeMany(store, 3000);
    const seen = new Map<string, number>();
    let changed = 0;
    for await (const chunk of store.entries()) {
      for (const { key, revision } of chunk) seen.set(key, revision);
      if (changed < 20) await store.write([write(`k/${2999 - changed}`, 3000 - changed++, "again")]);
    }
    expect(changed).to.be.greaterThan(1);
    expect(seen.size).to.equal(3000);
  });

  it("passes on every change after a revision once, in order, those of the past and those to come", async () => {
    const keys = Array.from({ length: 1500 }, (_, i) => `k/${i}`);
    for (const part of [keys.slice(0, 800), keys.slice(800, 1200)]) await store.write(part.map((key) => write(key, 0)));
    const [, from] = await store.changes(0, 2);
    const followed: string[] = [];
    let last = 0;
    const end = store.follow(from?.revision ?? 0, (items) => {
      for (const { key, revision } of items.filter(isChange)) {
        expect(revision).to.be.greaterThan(last);
        last = revision;
        followed.push(key);
      }
    });
    await store.write(keys.slice(1200, 1400).map((key) => write(key, 0)));
    await Promise.all(keys.slice(1400).map((key) => store.write([write(key, 0)])));
    await until(() => followed.length >= 1498);
    expect([...followed].sort()).to.deep.equal(keys.slice(2).sort());
    end();
    await store.write([write("late", 0)]);
    expect(followed).to.have.length(1498);
  });

  it("passes on a mark behind the changes that were made before it", async () => {
    const items: string[] = [];
    const end = store.follow(0, (some) => items.push(...some.map((item) => (isChange(item) ? item.key : `${item.by} ${item.n}`))));
    const mark = (n: number): Mark => ({ by: "node-1", n, value: { n } });
    await store.write([write("a", 0)]);
    store.mark(mark(1));
    await until(() => items.includes("node-1 1"));
    const writing = store.write([write("b", 0)]);
    store.mark(mark(2));
    await writing;
    await until(() => items.includes("node-1 2") && items.includes("b"));
    expect(items.filter((item) => item !== "node-1 2")).to.deep.equal(["a", "node-1 1", "b"]);
    const revision = store.revision;
    expect(await allEntries(store)).to.have.length(2);
    end();
    await reopen();
    expect(store.revision).to.be.at.least(revision);
    expect((await store.changes(0, 10)).map(({ key }) => key)).to.deep.equal(["a", "b"]);
  });

  it("refuses a call whose guard another change has broken, whatever its keys", async () => {
    const [first = 0] = await store.write([write("agent/a", 0)]);
    const [other = 0] = await store.write([write("agents", 0)]);
    const [second = 0] = await store.write([write("agent/b", 0)], { prefix: "agent/", since: other });
    expect(await failureOf(store.write([write("agent/c", 0)], { prefix: "agent/", since: first }))).to.include({
      name: "StoreConflict",
      found: second,
    });
    expect(await failureOf(store.write([write("task/t", 0), write("agent/c", 0)], { prefix: "agent/", since: other }))).to.be.instanceOf(
      StoreConflict,
    );
    expect(await failureOf(store.write([write("agent/b", first)], { prefix: "agent/", since: second }))).to.include({ key: "agent/b" });
    const changes = (await store.changes(0, 10)).map(({ key }) => key);
    expect(changes).to.deep.equal(["agent/a", "agents", "agent/b"]);
    await store.write([write("agent/a", first), write("agent/d", 0)], { prefix: "agent/", since: second });
  });

  it("lets one of those through that create at once under the same guard", async () => {
    await store.write([write("agent/a", 0)]);
    const since = store.revision;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => store.write([write(`agent/${i}`, 0)], { prefix: "agent/", since })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).to.have.length(1);
    expect(await store.changes(0, 10)).to.have.length(2);
  });

  it("refuses a guard of no kind, of a kind that it doesn't write, and of no revision", async () => {
    for (const guard of [
      { prefix: "", since: 0 },
      { prefix: "agent", since: 0 },
      { prefix: "task/", since: 0 },
      { prefix: "a\0/", since: 0 },
      { prefix: "agent/", since: -1 },
      { prefix: "agent/", since: 0.5 },
    ])
      expect(await failureOf(store.write([write("agent/a", 0)], guard))).to.be.instanceOf(StoreInvalid);
    expect(store.revision).to.equal(0);
  });

  const filters: [name: string, filter: ChangeFilter, wanted: RegExp][] = [
    ["everything", {}, /^/],
    ["one key", { key: "agent/1" }, /^agent\/1$/],
    ["a key that never was", { key: "agent/none" }, /^$/],
    ["a prefix", { prefix: "agent/1" }, /^agent\/1/],
    ["an empty prefix", { prefix: "" }, /^/],
    ["a prefix of nothing", { prefix: "zebra/" }, /^$/],
    ["a prefix in other case", { prefix: "AGENT/" }, /^AGENT\//],
    ["a prefix with what other languages match by", { prefix: "%_*[" }, /^%_\*\[/],
    ["a prefix beyond the basic plane", { prefix: "🦊" }, /^🦊/u],
  ];
  for (const [name, filter, wanted] of filters) {
    it(`pages through the changes of ${name}, whatever the size of a page`, async () => {
      const keys = ["agent/1", "agent/10", "AGENT/1", "task/1", "%_*[x", "agent%", "🦊/1", "🦊", "agent/2"];
      const last = new Map<string, number>();
      for (let i = 0; i < 60; i++) {
        const key = keys[(i * i) % keys.length] ?? "";
        last.set(key, (await store.write([write(key, last.get(key) ?? 0, i)]))[0] ?? 0);
      }
      const all = (await store.changes(0, 1000)).filter(({ key }) => wanted.test(key));
      for (const limit of [1, 7, 60, 1000]) {
        const paged: Change[] = [];
        for (;;) {
          const page = await store.changes(paged.at(-1)?.revision ?? 0, limit, filter);
          paged.push(...page);
          if (page.length < limit) break;
        }
        expect(paged).to.deep.equal(all);
      }
      expect((await store.changes(30, 1000, filter)).every(({ revision }) => revision > 30)).to.be.true;
      expect(await store.changes(60, 10, filter)).to.deep.equal([]);
      expect(await store.changes(1_000_000, 10, filter)).to.deep.equal([]);
    });
  }

  it("finds the rare change among very many", async () => {
    await store.write([write("rare/1", 0)]);
    await writeMany(store, 9000);
    await store.write([write("rare/2", 0)]);
    const revisions = (changes: Change[]): number[] => changes.map(({ revision }) => revision);
    expect(revisions(await store.changes(0, 10, { prefix: "rare/" }))).to.deep.equal([1, 9002]);
    expect(revisions(await store.changes(0, 1, { prefix: "rare/" }))).to.deep.equal([1]);
    expect(revisions(await store.changes(1, 10, { key: "rare/2" }))).to.deep.equal([9002]);
  });

  it("takes keys for distinct that people take for one", async () => {
    const keys = [
      "agent/a",
      "agent/A",
      "agent/а",
      "agent/a ",
      " agent/a",
      "agent/ａ",
      "agent/é",
      "agent/e\u0301",
      "agent/a\u200b",
      "agent/ı",
      "agent/i",
      "AGENT/a",
      "agent/ß",
      "agent/ss",
      "1",
      "01",
      "1.0",
      "1e0",
    ];
    for (const [i, key] of keys.entries()) expect(await store.write([write(key, 0, i)])).to.deep.equal([i + 1]);
    await reopen();
    for (const [i, key] of keys.entries()) {
      const found = await store.changes(0, 10, { key });
      expect(found.map(({ value }) => value)).to.deep.equal([i]);
      expect(found[0]?.key).to.equal(key);
    }
  });

  const long = STORE_LIMITS.value_bytes_max - 2;
  const values: [name: string, value: Json][] = [
    ["null", null],
    ["false", false],
    ["an empty object", {}],
    ["nested ones", { a: [{ b: [[], {}, null, true, "x"] }] }],
    ["numbers to their limits", [0, -1, 2 ** 53 - 1, -(2 ** 53) + 1, 1e308, 5e-324, 0.1]],
    ["text of all kinds", ["", "\0", "\u007f", '"\\/', "\u2028", "é", "e\u0301", "🦊", "\u200b", "\ufeff", "'; DROP TABLE changes; --"]],
    ["names that objects have", JSON.parse('{"__proto__": 1, "constructor": 2, "toString": 3}') as Json],
    ["the longest text", "x".repeat(long)],
    ["the longest text in more bytes than characters", "é".repeat(long / 2)],
    ["as deep as may be", nested(STORE_LIMITS.value_depth_max)],
  ];
  for (const [name, value] of values) {
    it(`gives back a value of ${name}`, async () => {
      await store.write([write("k", 0, value)]);
      await reopen();
      expect((await store.changes(0, 1))[0]?.value).to.deep.equal(value);
    });
  }

  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  const garbage: [name: string, fault: Partial<Record<keyof Write, unknown>>, field: string][] = [
    ["no key", { key: undefined }, "key"],
    ["an empty key", { key: "" }, "key"],
    ["a key that is a number", { key: 7 }, "key"],
    ["a key that is longer than the limit", { key: "k".repeat(STORE_LIMITS.key_bytes_max + 1) }, "key"],
    ["a key whose bytes are more than the limit", { key: "é".repeat(STORE_LIMITS.key_bytes_max / 2 + 1) }, "key"],
    ["a key with a zero byte", { key: "a\0b" }, "key"],
    ["a key with a line's end", { key: "a\nb" }, "key"],
    ["a key with half of a surrogate pair", { key: "a\ud800" }, "key"],
    ["an expected revision below 0", { expected: -1 }, "expected"],
    ["an expected revision with a fraction", { expected: 0.5 }, "expected"],
    ["an expected revision that is text", { expected: "0" }, "expected"],
    ["an expected revision that is no number", { expected: NaN }, "expected"],
    ["an expected revision that is missing", { expected: undefined }, "expected"],
    ["nobody who did it", { by: "" }, "by"],
    ["somebody with a control character", { by: "ada\u001b[2J" }, "by"],
    ["somebody with too long a name", { by: "a".repeat(STORE_LIMITS.by_bytes_max + 1) }, "by"],
    ["no time", { time: undefined }, "time"],
    ["a time that is none", { time: "yesterday" }, "time"],
    ["a moment that doesn't exist", { time: "2026-02-30T00:00:00Z" }, "time"],
    ["a time in a list", { time: ["2026-03-03T10:15:00Z"] }, "time"],
    ["a reason that is missing", { reason: undefined }, "reason"],
    ["a reason that is empty", { reason: "" }, "reason"],
    ["a reason that is too long", { reason: "r".repeat(STORE_LIMITS.reason_bytes_max + 1) }, "reason"],
    ["no change", { change: "" }, "change"],
    ["a change that is a sentence", { change: "Agent created" }, "change"],
    ["no value", { value: undefined }, "value"],
    ["a value that is longer than the limit", { value: "x".repeat(long + 1) }, "value"],
    ["a value whose bytes are more than the limit", { value: "é".repeat(long / 2 + 1) }, "value"],
    ["a value that is deeper than the limit", { value: nested(STORE_LIMITS.value_depth_max + 1) }, "value"],
    ["a value that holds itself", { value: cyclic }, "value"],
    ["a value that is a function", { value: () => 1 }, "value"],
    ["a value that is a symbol", { value: Symbol("s") }, "value"],
    ["a value that is a large integer", { value: 1n }, "value"],
    ["a value with an undefined member", { value: { a: undefined } }, "value"],
    ["a value with a hole", { value: Array(2) }, "value"],
    ["a value that isn't a number", { value: [NaN] }, "value"],
    ["a value that is infinite", { value: [-Infinity] }, "value"],
    ["a value that is minus zero", { value: -0 }, "value"],
    ["a value that is a date", { value: new Date(0) }, "value"],
    ["a value that is a map", { value: new Map([["a", 1]]) }, "value"],
    ["a value that writes itself", { value: { toJSON: () => "else" } }, "value"],
    ["a value with a symbol's member", { value: { [Symbol("s")]: 1 } }, "value"],
    ["a value with half of a surrogate pair", { value: "\udc00" }, "value"],
    ["a value with half of a pair in a name", { value: { "\ud800": 1 } }, "value"],
  ];
  for (const [name, fault, field] of garbage) {
    it(`refuses ${name}, and all of its call`, async () => {
      const call = [write("fine", 0), { ...write("k", 0), ...fault } as Write];
      const invalid = await failureOf(store.write(call));
      expect(invalid).to.be.instanceOf(StoreInvalid);
      expect(invalid).to.include({ field: `/1/${field}` });
      expect(store.revision).to.equal(0);
      expect(await store.write([write("fine", 0)])).to.deep.equal([1]);
    });
  }

  it("refuses a call of no writes, of too many, and of two to one key", async () => {
    const many = Array.from({ length: STORE_LIMITS.writes_max + 1 }, (_, i) => write(`k/${i}`, 0));
    for (const call of [[], many, [write("k", 0), write("l", 0), write("k", 1)]]) {
      expect(await failureOf(store.write(call))).to.be.instanceOf(StoreInvalid);
    }
    expect(await store.write(many.slice(1))).to.have.length(STORE_LIMITS.writes_max);
  });

  const queries: [name: string, after: number, limit: number, filter?: ChangeFilter][] = [
    ["a revision below 0", -1, 10],
    ["half a revision", 0.5, 10],
    ["no revision", NaN, 10],
    ["no changes", 0, 0],
    ["more changes than a page holds", 0, STORE_LIMITS.changes_max + 1],
    ["endlessly many changes", 0, Infinity],
    ["both a key and a prefix", 0, 10, { key: "a", prefix: "a" }],
  ];
  for (const [name, after, limit, filter] of queries) {
    it(`refuses to look for ${name}`, async () => {
      expect(await failureOf(store.changes(after, limit, filter))).to.be.instanceOf(StoreInvalid);
    });
  }

  it("keeps what was given, whatever the caller does to it afterwards, and so does what it gives", async () => {
    const value = { status: "active" };
    const given = write("k", 0, value);
    const writing = store.write([given]);
    value.status = "revoked";
    given.key = "other";
    await writing;
    const [read] = await store.changes(0, 1);
    expect(read).to.deep.include({ key: "k", value: { status: "active" } });
    (read?.value as { status: string }).status = "revoked";
    expect((await store.changes(0, 1))[0]?.value).to.deep.equal({ status: "active" });
  });

  it("finishes what it took when it is closed, refuses everything after, and may be closed twice", async () => {
    const taken = Array.from({ length: 20 }, (_, i) => store.write([write(`k/${i}`, 0)]));
    const closing = store.close();
    expect(await failureOf(store.write([write("late", 0)]))).to.be.instanceOf(StoreUnavailable);
    await closing;
    expect((await Promise.all(taken)).flat()).to.have.length(20);
    expect(store.healthy).to.be.false;
    for (const late of [store.write([write("late", 0)]), store.changes(0, 1), allEntries(store)]) {
      expect(await failureOf(late)).to.be.instanceOf(StoreUnavailable);
    }
    await store.close();
    store = await at.open();
    expect(store.revision).to.equal(20);
  });

  it(`orders ${increments} increments by 64 at once as if they came one by one`, async function () {
    const counters = Array.from({ length: 16 }, (_, i) => `counter/${i}`);
    for (const key of counters) await store.write([write(key, 0, 0)]);
    /** A moment for each beginning and end, to tell which came before which. */
    let moment = 0;
    let begun = 0;
    let conflicts = 0;
    /** A revision of each counter that isn't far back. */
    const known = new Map<string, number>();
    const done: { key: string; value: number; revision: number; began: number; ended: number }[] = [];
    const client = async (): Promise<void> => {
      while (begun < increments) {
        const key = counters[begun++ % counters.length] ?? "";
        const began = moment++;
        for (;;) {
          const [at] = (await store.changes((known.get(key) ?? 1) - 1, 1000, { key })).slice(-1);
          if (at === undefined) throw new Error("a counter is gone");
          try {
            const value = (at.value as number) + 1;
            const [revision = 0] = await store.write([write(key, at.revision, value)]);
            done.push({ key, value, revision, began, ended: moment++ });
            break;
          } catch (cause) {
            if (!(cause instanceof StoreConflict)) throw cause;
            conflicts++;
            known.set(key, Math.max(known.get(key) ?? 0, cause.found));
          }
        }
      }
    };
    await Promise.all(Array.from({ length: 64 }, client));
    expect(done).to.have.length(increments);
    expect(conflicts).to.be.greaterThan(increments / 10);
    for (const key of counters) {
      const mine = done.filter((one) => one.key === key).sort((a, b) => a.value - b.value);
      // None lost, none twice, each at the revision it was told.
      expect(mine.map(({ value }) => value)).to.deep.equal(mine.map((_, i) => i + 1));
      expect(mine.map(({ revision }) => revision)).to.deep.equal(mine.map(({ revision }) => revision).sort((a, b) => a - b));
      // What had ended before another began comes before it.
      let latestBeginning = -1;
      for (const { began, ended } of mine) {
        expect(ended).to.be.greaterThan(latestBeginning);
        latestBeginning = Math.max(latestBeginning, began);
      }
    }
    const kept = (await allChanges(store)).slice(counters.length);
    const byRevision = [...done].sort((a, b) => a.revision - b.revision);
    expect(kept.map(({ key, value }) => [key, value])).to.deep.equal(byRevision.map(({ key, value }) => [key, value]));
  });
}

async function writeMany(store: Store, count: number): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    await store.write(Array.from({ length: Math.min(500, count - from) }, (_, i) => write(`k/${from + i}`, 0, from + i)));
  }
}

function nested(depth: number): Json {
  let value: Json = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}
