/**
 * The guard's own end of a pipe: what is a message is what the SDK takes for one, and how it is cut into chunks changes nothing. A
 * program that is started for a session doesn't outlive it.
 */
import { PassThrough } from "node:stream";
import { JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect } from "chai";
import { OwnPipes, ProgramPipes } from "../../src/guards/mcp/pipes.js";
import { isMessage, type JSONRPCMessage } from "../../src/guards/mcp/wire.js";
import { until } from "./mcp/support.js";

const BYTES_MAX = 64;
const AROUND = { jsonrpc: "2.0" };
const RELATED = "io.modelcontextprotocol/related-task";

/** Members of which messages are put together: none, right ones, and wrong ones. */
const MEMBERS: Readonly<Record<string, readonly unknown[]>> = {
  jsonrpc: [undefined, "2.0", "1.0"],
  id: [undefined, 1, "a", 1.5, 2 ** 53, null],
  method: [undefined, "tools/call", 1, null],
  params: [undefined, {}, { a: 1 }, [], null],
  result: [undefined, {}, { content: [] }, [], null],
  error: [undefined, { code: 1, message: "a", data: 1, more: 1 }, { code: 1.5, message: "a" }, { code: 1 }, null],
  more: [undefined, null],
};
const METAS: readonly unknown[] = [
  {}, [], null, "a", { progressToken: 1 }, { progressToken: "a" }, { progressToken: 1.5 }, { progressToken: null }, { a: { b: [] } },
  { [RELATED]: { taskId: "t" } }, { [RELATED]: { taskId: 1 } }, { [RELATED]: {} }, { [RELATED]: null }, { [RELATED]: [] },
]; // prettier-ignore

/** All of them: what is undefined isn't there, as in JSON. */
function* candidates(): Generator {
  let all: Record<string, unknown>[] = [{}];
  for (const [name, values] of Object.entries(MEMBERS)) {
    all = all.flatMap((one) => values.map((value) => (value === undefined ? one : { ...one, [name]: value })));
  }
  yield* all;
  for (const _meta of METAS) {
    yield { ...AROUND, id: 1, method: "m", params: { _meta, a: 1 } };
    yield { ...AROUND, method: "m", params: { _meta } };
    yield { ...AROUND, id: 1, result: { _meta, content: [] } };
  }
  yield* [null, [], [{ ...AROUND, method: "m" }], "a", 1, true];
}

describe("a message over pipes", () => {
  it("is what the SDK takes for one, and nothing else is", () => {
    const differ: unknown[] = [];
    let taken = 0;
    for (const value of candidates()) {
      const expected = JSONRPCMessageSchema.safeParse(value).success;
      if (isMessage(value) !== expected && differ.length < 10) differ.push({ expected, value });
      if (expected) taken++;
    }
    expect(differ).to.deep.equal([]);
    expect(taken).to.be.above(20);
  });

  const ping = (id: number | string): JSONRPCMessage => ({ jsonrpc: "2.0", id, method: "ping" });
  const line = (id: number | string): string => `${JSON.stringify(ping(id))}\n`;
  const LINES: [what: string, sent: string | Buffer, ids: unknown[], unreadable: number, closed: boolean][] = [
    ["one", line(1), [1], 0, false],
    ["two, one after the other", line(1) + line(2), [1, 2], 0, false],
    ["one that ends in CR and LF", line(1).replace("\n", "\r\n"), [1], 0, false],
    ["one beyond ASCII", line("ä€😀"), ["ä€😀"], 0, false],
    ["one that never ends", line(1).trimEnd(), [], 0, false],
    ["one as long as the limit", line("a".repeat(BYTES_MAX - line("").length + 1)), ["a".repeat(BYTES_MAX - line("").length + 1)], 0, false],
    ["one that is longer, and what comes after it", line("a".repeat(BYTES_MAX - line("").length + 2)) + line(2), [], 1, true],
    ["one without end that is longer", "a".repeat(BYTES_MAX + 1), [], 1, true],
    ["nothing but its end, and then one", `\n${line(2)}`, [2], 1, false],
    ["no JSON, and then one", `{"jsonrpc":\n${line(2)}`, [2], 1, false],
    ["JSON that is none, and then one", `{"jsonrpc":"2.0"}\n${line(2)}`, [2], 1, false],
    ["two in a list, and then one", `[${line(1).trimEnd()}]\n${line(2)}`, [2], 1, false],
    ["no UTF-8 in its middle, and then one", Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from(`"}\n${line(2)}`)]), [2], 1, false],
  ]; // prettier-ignore
  for (const [what, sent, ids, unreadable, closed] of LINES) {
    for (const bytes of [1, 3, 7, 1024]) {
      it(`is cut from ${what}, ${bytes} bytes at a time`, async () => {
        const reads = new PassThrough();
        const pipes = new OwnPipes(reads, new PassThrough(), BYTES_MAX);
        const got: unknown[] = [];
        let [failed, over] = [0, 0];
        pipes.onmessage = (message) => got.push("id" in message ? message.id : null);
        pipes.onerror = () => failed++;
        pipes.onclose = () => over++;
        await pipes.start();
        const all = Buffer.from(sent);
        for (let at = 0; at < all.length; at += bytes) reads.emit("data", all.subarray(at, at + bytes));
        expect(got).to.deep.equal(ids);
        expect(failed).to.equal(unreadable);
        expect(over > 0).to.equal(closed);
      });
    }
  }

  it("waits for the one before it where nobody reads", async () => {
    const writes = new PassThrough({ highWaterMark: 1 });
    const pipes = new OwnPipes(new PassThrough(), writes, BYTES_MAX);
    let room = false;
    const sent = pipes.send(ping(1)).then(() => (room = true));
    await Promise.resolve();
    expect(room).to.equal(false);
    writes.resume();
    await sent;
    expect(room).to.equal(true);
  });
});

describe("a program that is started for a session", () => {
  const running = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const SAYS_ITS_PID =
    "process.stdout.write(JSON.stringify({jsonrpc:'2.0',method:'pid',params:{pid:process.pid}})+'\\n');";
  const STAYS = "setInterval(() => {}, 1000);";
  const PROGRAMS: [what: string, code: string][] = [
    ["ends once nothing more comes", "process.stdin.resume();"],
    ["goes on, and ends once it is told to", STAYS],
    ["doesn't end when it is told to", `process.on('SIGTERM', () => {}); ${STAYS}`],
  ];
  for (const [what, code] of PROGRAMS) {
    it(`is gone with it where it ${what}`, async () => {
      // However long it would be waited for: no time is given.
      const timers = { after: (_ms: number, call: () => void) => { setImmediate(call); return () => undefined; } }; // prettier-ignore
      const command = [process.execPath, "-e", `${code} ${SAYS_ITS_PID}`];
      const pipes = new ProgramPipes({ command, env: undefined, dir: undefined }, 1024, timers);
      let pid = 0;
      pipes.onmessage = (message) => {
        pid = ("params" in message ? (message.params as { pid: number }) : { pid: 0 }).pid;
      };
      await pipes.start();
      await until(() => pid !== 0);
      await pipes.close();
      await until(() => !running(pid));
    });
  }

  it("isn't there where there is no such program, and takes nothing", async () => {
    const command = ["/nowhere/there-is-no-such-program"];
    const pipes = new ProgramPipes({ command, env: undefined, dir: undefined }, 1024, { after: () => () => undefined });
    pipes.onerror = () => undefined;
    const failed = await pipes.start().then(
      () => null,
      (cause: unknown) => cause,
    );
    expect(failed).to.have.property("code", "ENOENT");
    await pipes.close();
    const refused = await pipes.send({ jsonrpc: "2.0", method: "m" }).catch((cause: unknown) => cause);
    expect(refused).to.be.instanceOf(Error);
  });
});
