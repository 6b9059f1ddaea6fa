import { expect } from "chai";
import { NodeQuestions, type QuestionWire } from "../../src/cluster/questions.js";
import { StillTimers, turns } from "../facts/world.js";

/** A wire on which every message arrives; `meddle` may change it, lose it or repeat it. */
class Wire implements QuestionWire {
  meddle: (text: string) => string[] = (text) => [text];
  readonly #served = new Set<(text: string, reply: (text: string) => void) => void>();

  ask(text: string, answered: (text: string) => void): () => void {
    let ended = false;
    const reply = (part: string): void => {
      for (const one of this.meddle(part)) if (!ended) answered(one);
    };
    for (const take of this.#served) take(text, reply);
    return () => {
      ended = true;
    };
  }

  serve(take: (text: string, reply: (text: string) => void) => void): () => void {
    this.#served.add(take);
    return () => this.#served.delete(take);
  }

  /** Sends a question that is none. */
  send(text: string): void {
    for (const take of this.#served) take(text, () => expect.fail("answered"));
  }
}

describe("questions between nodes", () => {
  const timers = new StillTimers();
  let wire: Wire;
  let nodes: NodeQuestions[];
  const answers: Record<string, (question: string) => Promise<string | null>> = {
    a: () => Promise.reject(new Error("nobody asks itself")),
    b: (question) => Promise.resolve(`b:${question}`),
    c: (question) => Promise.resolve(question === "nothing" ? null : "ö".repeat(1_000_000)),
  };
  const asked = async (question: string, of: string[], ms = 0): Promise<unknown> => {
    const found = nodes[0]?.ask(question, of);
    await turns(3);
    if (ms > 0) await timers.advance(ms);
    const { answers: all, missing } = (await found) ?? { answers: new Map<string, string | null>(), missing: [] };
    return [[...all].map(([node, text]) => `${node} ${text === null ? "null" : text.length}`).sort(), missing];
  };

  beforeEach(() => {
    wire = new Wire();
    nodes = Object.entries(answers).map(([name, answer]) => {
      const node = new NodeQuestions(wire, name, timers);
      node.serve(answer);
      return node;
    });
  });

  it("end no node whose connection is gone when its answer is ready", async () => {
    const unhandled: unknown[] = [];
    const hear = (cause: unknown): number => unhandled.push(cause);
    process.on("unhandledRejection", hear);
    try {
      for (const answer of [() => Promise.resolve("late"), () => Promise.reject(new Error("it can't"))]) {
        const gone = new Wire();
        new NodeQuestions(gone, "b", timers).serve(answer);
        gone.meddle = () => {
          throw new Error("closed connection");
        };
        const found = new NodeQuestions(gone, "a", timers).ask("how", ["b"]);
        await turns(5);
        await timers.advance(60_000);
        expect((await found).missing).to.deep.equal(["b"]);
      }
    } finally {
      process.off("unhandledRejection", hear);
    }
    expect(unhandled).to.deep.equal([]);
  });

  it("are answered by each that is asked, however long the answer", async () => {
    expect(await asked("how", ["b", "c"])).to.deep.equal([["b 5", "c 1000000"], []]);
    expect(await asked("nothing", ["b", "c"])).to.deep.equal([["b 9", "c null"], []]);
    expect(await asked("how", [])).to.deep.equal([[], []]);
  });

  it("are over with the first answer that is enough", async () => {
    const found = await nodes[0]?.ask("how", ["b", "gone"], (answer) => answer !== null);
    expect([...(found?.answers ?? [])].map(([node]) => node)).to.deep.equal(["b"]);
  });

  it("name who hasn't answered in time, or can't", async () => {
    expect(await asked("how", ["b", "gone"], 5000)).to.deep.equal([["b 5"], ["gone"]]);
    expect(await asked("how", ["a", "b"])).to.deep.equal([["b 5"], ["a"]]);
    nodes[2]?.close();
    expect(await asked("how", ["c"], 5000)).to.deep.equal([[], ["c"]]);
  });

  it("are answered whole or not at all where parts are lost, repeated, or in another order", async () => {
    let n = 0;
    wire.meddle = (text) => (n++ === 3 ? [] : [text]);
    expect(await asked("how", ["c"], 5000)).to.deep.equal([[], ["c"]]);
    wire.meddle = (text) => [text, text];
    expect(await asked("how", ["c"])).to.deep.equal([["c 1000000"], []]);
    const held: string[] = [];
    wire.meddle = (text) => (held.push(text) < (JSON.parse(text) as { parts: number }).parts ? [] : held.reverse());
    expect(await asked("how", ["c"])).to.deep.equal([["c 1000000"], []]);
  });

  const part = { node: "b", part: 0, parts: 1, text: "x" };
  for (const garbage of [
    ...["", "null", "[]", "{", '"b"', "{}"],
    ...[
      { ...part, node: 1 },
      { ...part, part: -1 },
      { ...part, part: 1 },
      { ...part, parts: 1e9 },
      { ...part, text: 5 },
    ].map((one) => JSON.stringify(one)),
    ...[
      { ...part, node: "gone" },
      { ...part, part: 0.5 },
      { node: "b", failed: "true" },
    ].map((one) => JSON.stringify(one)),
  ])
    it(`take no notice of an answer that is none: ${garbage}`, async () => {
      wire.meddle = (text) => [garbage, text];
      expect(await asked("how", ["b"])).to.deep.equal([["b 5"], []]);
    });

  for (const garbage of ["", "null", "{}", '{"to":"b","question":"x"}', '{"to":["b"],"question":5}', '{"to":["b"]}', "[1]"])
    it(`answer nothing to a question that is none: ${garbage}`, async () => {
      wire.send(garbage);
      await turns(3);
    });
});
