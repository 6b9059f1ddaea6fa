import { assert } from "chai";
import { SupervisedThread } from "../../src/system/supervised_thread.js";
import type { Thread } from "../../src/system/thread.js";

type From = { kind: "said"; text: string } | { kind: "closed" };

/** Threads that a test speaks for, and a clock that it moves. */
function stage() {
  const threads: { posted: string[]; say: (message: From) => void; die: () => void; terminated: boolean }[] = [];
  const due: (() => void)[] = [];
  const [received, deaths]: [string[], string[]] = [[], []];
  const spawn = (): Thread<string, From> => {
    const one = { posted: [] as string[], say: (_: From): void => undefined, die: (): void => undefined, terminated: false };
    threads.push(one);
    return {
      postMessage: (message) => one.posted.push(message),
      onMessage: (call) => (one.say = call),
      onDeath: (call) =>
        (one.die = () => {
          call(new Error("it died"));
        }),
      terminate: () => (one.terminated = true),
    };
  };
  const timers = {
    after: (_ms: number, call: () => void) => {
      due.push(call);
      return () => void due.splice(due.indexOf(call), 1);
    },
  };
  const owner = {
    received: ({ text }: Exclude<From, { kind: "closed" }>) => void received.push(text),
    died: ({ message }: Error) => void deaths.push(message),
  };
  const thread = new SupervisedThread(spawn, owner, timers, 250);
  const elapse = (): void => {
    for (const call of due.splice(0)) call();
  };
  return { thread, threads, received, deaths, due, elapse };
}

describe("a supervised thread", () => {
  it("tells its owner of a death, and is started again after a pause", () => {
    const { thread, threads, deaths, elapse } = stage();
    threads[0]?.die();
    assert.deepEqual([deaths, threads.length, thread.running], [["it died"], 1, false]);
    thread.post("dropped");
    elapse();
    thread.post("kept");
    assert.deepEqual([threads.length, thread.running, threads[0]?.posted, threads[1]?.posted], [2, true, [], ["kept"]]);
  });

  it("is started again once, however often one death is told", () => {
    const { thread, threads, deaths, due, elapse } = stage();
    threads[0]?.die();
    threads[0]?.die();
    assert.deepEqual([deaths.length, due.length], [1, 1]);
    elapse();
    threads[0]?.die();
    assert.deepEqual([deaths.length, due.length, threads.length, thread.running], [1, 0, 2, true]);
  });

  it("passes on nothing that a dead thread had under way", () => {
    const { threads, received, elapse } = stage();
    threads[0]?.die();
    threads[0]?.say({ kind: "said", text: "between" });
    elapse();
    threads[0]?.say({ kind: "said", text: "late" });
    threads[1]?.say({ kind: "said", text: "new" });
    assert.deepEqual(received, ["new"]);
  });

  for (const [how, end] of [
    ["says so", "say"],
    ["dies of it", "die"],
  ] as const) {
    it(`is closed once the thread ${how}, and not before; it isn't started again`, async () => {
      const { thread, threads, elapse } = stage();
      let closed = false;
      const closing = thread.close("close").then(() => (closed = true));
      await Promise.resolve();
      assert.isFalse(closed);
      const [one] = threads;
      assert.deepEqual(one?.posted, ["close"]);
      if (end === "die") one?.die();
      else one?.say({ kind: "closed" });
      await closing;
      elapse();
      assert.lengthOf(threads, 1);
    });
  }

  it("is closed at once between a death and the next start, which doesn't come", async () => {
    const { thread, threads, due, elapse } = stage();
    threads[0]?.die();
    await thread.close("close");
    assert.isEmpty(due);
    elapse();
    assert.lengthOf(threads, 1);
  });

  it("is ended at once, without a farewell, and not started again", async () => {
    const { thread, threads, elapse } = stage();
    const closing = thread.end();
    assert.deepEqual([threads[0]?.terminated, threads[0]?.posted, thread.closing], [true, [], true]);
    threads[0]?.die();
    await closing;
    elapse();
    assert.lengthOf(threads, 1);
  });

  it("is asked to end once, however often it is closed", async () => {
    const { thread, threads } = stage();
    const both = [thread.close("close"), thread.close("close")];
    threads[0]?.say({ kind: "closed" });
    await Promise.all(both);
    assert.deepEqual(threads[0]?.posted, ["close"]);
  });
});
