import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { accountLines, accountOf } from "../../../src/audit/tree/account.js";
import { signCheckpoint } from "../../../src/audit/tree/checkpoint.js";
import { leafHash, nodeHash, toBase64 } from "../../../src/audit/tree/hash.js";
import { checkpointIn } from "../../../src/audit/tree/checkpoint_file.js";
import { parseProofFile, printProofFile, ProofFileError } from "../../../src/audit/tree/proof_file.js";
import { parseReceipt, printReceipt, ReceiptError, verifyReceipt, type Receipt } from "../../../src/audit/tree/receipt.js";
import { openCheckpoint } from "../../../src/audit/tree/checkpoint.js";
import { includes } from "../../../src/audit/tree/merkle.js";
import { readVerifier } from "../../../src/audit/tree/note.js";
import { canonical, RECORD_VERSION } from "../../../src/contract/index.js";
import { entriesOf } from "../../../src/audit/tree/tiles.js";
import { temporaryDirectory } from "../temporary.js";
import { remit } from "../../cli/remit.js";
import { hashFrom, vectorBytes, vectors } from "./vectors.js";
import { decisionRecord, LOG_KEY, ORIGIN, signerOf, writeLog } from "./written.js";

interface ProofVectors {
  marshal: {
    name: string;
    index: number;
    hashes: string[];
    checkpoint: string;
    extraBase64?: string;
    want: string;
  }[];
  unmarshalErrors: {
    name: string;
    proof?: string;
    proofRepeat?: { head: string; char: string; count: number; tail: string };
  }[];
}

const OTHER_KEY = signerOf("somebody else's key");
const OUTCOME_AT = 31;
const OF_ANOTHER = 32;

/** Record 31 says what became of decision 30; record 32 of decision 29. */
function text(seq: number, usual: string): string {
  if (seq !== OUTCOME_AT && seq !== OF_ANOTHER) return usual;
  return canonical({
    caller: "pep-1",
    decision_id: seq === OUTCOME_AT ? "0190-30" : "0190-29",
    kind: "outcome",
    outcome: "done",
    seq,
    time: "2026-01-14T09:40:00.000Z",
    took_ms: 120,
    v: RECORD_VERSION,
  });
}

describe("a receipt", () => {
  const folder = temporaryDirectory();
  const log = writeLog(join(folder, "log"), { records: 300, segment_records: 100, beside_every: 50, text });
  const keys = [LOG_KEY.verifier];
  const good = log.receiptOf(30, [OUTCOME_AT]);

  it("proves a decision and what became of it", () => {
    const { record, index, outcomes, checkpoint } = verifyReceipt(printReceipt(good), keys);
    expect(record).to.deep.equal(decisionRecord(30));
    expect(index).to.equal(29);
    expect(outcomes.map(({ outcome }) => outcome)).to.deep.equal(["done"]);
    expect({ origin: checkpoint.origin, size: checkpoint.size }).to.deep.equal({ origin: ORIGIN, size: 300 });
  });

  it("is refused with a name twice: another reader of the file would show the other", () => {
    const text = printReceipt(good);
    for (const [what, doubled] of [
      ["the first is another's", text.replace("{", '{"index": 7,')],
      ["both are the same", text.replace("{", '{"v": 1,')],
      ["the first is a record that was never written", text.replace("{", '{"record": "{}",')],
      ["the last is another's", text.replace(/\}\s*$/, ',"index": 7}')],
      ["one is written by its number", text.replace("{", '{"\\u0069ndex": 7,')],
      ["in an outcome", text.replace(/("outcomes": \[\s*\{)/, '$1"index": 7,')],
      ["it is `__proto__`", text.replace("{", '{"__proto__": {}, "__proto__": {},')],
    ] as const) {
      expect(doubled, what).to.not.equal(text);
      expect(() => verifyReceipt(doubled, keys), what)
        .to.throw(ReceiptError, /not a receipt/)
        .with.property("code", "receipt_malformed");
    }
  });

  it("proves what was too large for the record as well", () => {
    const { record } = verifyReceipt(printReceipt(log.receiptOf(50)), keys);
    expect(record["input"]).to.deep.equal(decisionRecord(50).input);
  });

  it("proves a record of every index", () => {
    for (let seq = 1; seq <= 300; seq++) {
      const { index } = verifyReceipt(printReceipt(log.receiptOf(seq)), keys);
      expect(index).to.equal(seq - 1);
    }
  });

  it("holds while keys change: the old one, the new one, or both sign", () => {
    const signers = [LOG_KEY, OTHER_KEY];
    const rotated = writeLog(join(folder, "rotated"), { records: 40, segment_records: 40, signers }).receiptOf(7);
    for (const trusted of [[LOG_KEY.verifier], [OTHER_KEY.verifier], signers.map(({ verifier }) => verifier)])
      expect(verifyReceipt(printReceipt(rotated), trusted).index).to.equal(6);
    expect(verifyReceipt(printReceipt(good), [OTHER_KEY.verifier, LOG_KEY.verifier]).index).to.equal(29);
  });

  const edited = (change: (record: string) => string): Receipt => ({ ...good, record: change(good.record) });
  const evil = nodeHash(leafHash(Buffer.from("a")), leafHash(Buffer.from("b")));
  // prettier-ignore
  const altered: [what: string, receipt: () => unknown, code: string][] = [
    ["the requester", () => edited((record) => record.replace('"agent":"support-7"', '"agent":"support-8"')), "record_not_included"],
    ["on whose behalf", () => edited((record) => record.replace("ada@example.com", "bob@example.com")), "record_not_included"],
    ["the policy's digest", () => edited((record) => record.replace("sha256:abab", "sha256:abac")), "record_not_included"],
    ["the decision", () => edited((record) => record.replace('"decision":"allow"', '"decision":"deny"')), "record_not_included"],
    ["the reason", () => edited((record) => record.replace("somebody else's", "its own customer's")), "record_not_included"],
    ["white space in the record", () => edited((record) => record.replace(",", ", ")), "record_not_included"],
    ["the order of the record's members", () => edited((record) => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(record) as object).reverse()))), "record_not_included"],
    ["another record of the log", () => ({ ...good, record: log.receiptOf(33).record }), "record_not_included"],
    ["another place", () => ({ ...good, index: good.index + 1 }), "record_not_included"],
    ["a place beyond the log", () => ({ ...good, index: 300 }), "record_not_included"],
    ["a hash of the proof", () => ({ ...good, proof: [toBase64(evil), ...good.proof.slice(1)] }), "record_not_included"],
    ["a proof that is too short", () => ({ ...good, proof: good.proof.slice(1) }), "record_not_included"],
    ["a proof that is too long", () => ({ ...good, proof: [...good.proof, toBase64(evil)] }), "record_not_included"],
    ["a proof of something else than hashes", () => ({ ...good, proof: ["x", ...good.proof.slice(1)] }), "record_not_included"],
    ["the record's proof of another place", () => ({ ...good, ...log.receiptOf(34), record: good.record, outcomes: [] }), "record_not_included"],
    ["the checkpoint's size", () => ({ ...good, checkpoint: good.checkpoint.replace("\n300\n", "\n299\n") }), "checkpoint_refused"],
    ["the checkpoint's root", () => ({ ...good, checkpoint: good.checkpoint.replace(/^[^\n]{44}$/m, toBase64(evil)) }), "checkpoint_refused"],
    ["the checkpoint's origin", () => ({ ...good, checkpoint: good.checkpoint.replace(ORIGIN, "log.example/other") }), "checkpoint_refused"],
    ["an older checkpoint of the same log", () => ({ ...good, checkpoint: log.checkpointAt(200) }), "record_not_included"],
    ["a checkpoint signed by another key", () => ({ ...good, checkpoint: log.checkpointAt(300, [OTHER_KEY]) }), "checkpoint_refused"],
    ["a checkpoint and key of somebody else", () => ({ ...good, checkpoint: log.checkpointAt(300, [OTHER_KEY]), keys: [OTHER_KEY.verifier.vkey] }), "checkpoint_refused"],
    ["the key it names", () => ({ ...good, keys: [OTHER_KEY.verifier.vkey] }), "keys_disagree"],
    ["a key it names besides", () => ({ ...good, keys: [...good.keys, OTHER_KEY.verifier.vkey] }), "keys_disagree"],
    ["a key that is none", () => ({ ...good, keys: ["log.example/pdp+00000000+AAAA"] }), "keys_disagree"],
    ["no key", () => ({ ...good, keys: [] }), "receipt_malformed"],
    ["what stood beside the record", () => ({ ...log.receiptOf(50), beside: log.receiptOf(100).beside }), "beside_altered"],
    ["what stood beside the record, gone", () => ({ ...log.receiptOf(50), beside: undefined }), "beside_altered"],
    ["something beside a record that is whole", () => ({ ...good, beside: "{}" }), "beside_altered"],
    ["the outcome", () => ({ ...good, outcomes: good.outcomes.map((one) => ({ ...one, record: one.record.replace("done", "failed") })) }), "outcome_not_included"],
    ["an outcome of another decision", () => ({ ...good, outcomes: log.receiptOf(30, [OF_ANOTHER]).outcomes }), "outcome_misplaced"],
    ["an outcome that is a decision", () => ({ ...good, outcomes: log.receiptOf(30, [29]).outcomes }), "outcome_misplaced"],
    ["its version", () => ({ ...good, v: 2 }), "receipt_malformed"],
    ["something more", () => ({ ...good, note: "trust me" }), "receipt_malformed"],
    ["a member that is missing", () => ({ ...good, proof: undefined }), "receipt_malformed"],
    ["an index that is no whole number", () => ({ ...good, index: 29.5 }), "receipt_malformed"],
    ["an index below 0", () => ({ ...good, index: -1 }), "receipt_malformed"],
    ["a list", () => [good], "receipt_malformed"],
  ];
  for (const [what, receipt, code] of altered) {
    it(`is refused as \`${code}\` with another ${what}`, () => {
      expect(codeOf(JSON.stringify(receipt()))).to.equal(code);
    });
  }

  it("is refused cut anywhere, and with any bit of it flipped that means something", () => {
    const whole = printReceipt(good);
    for (let length = 0; length < whole.length - 2; length += 7)
      expect(codeOf(whole.slice(0, length)), String(length)).to.equal("receipt_malformed");
    const bytes = Buffer.from(whole);
    let unseen = 0;
    for (let at = 0; at < bytes.length; at += 3) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 7));
      if (codeOf(flipped.toString()) !== "ok") continue;
      unseen++;
      expect(parseReceipt(flipped.toString()), "white space of the file itself").to.deep.equal(parseReceipt(whole));
    }
    expect(unseen).to.be.below(bytes.length / 100);
  });

  it("says of a record out of its place that the log itself has it so", () => {
    const misplaced = writeLog(join(folder, "misplaced"), {
      records: 3,
      segment_records: 3,
      text: (seq, usual) => (seq === 2 ? canonical(decisionRecord(9)) : usual),
    });
    expect(codeOf(printReceipt(misplaced.receiptOf(2)))).to.equal("record_misplaced");
  });

  it("is refused where what was signed is no record", () => {
    for (const record of ["[]", "7", "{", '"text"']) {
      const root = leafHash(Buffer.from(record));
      const checkpoint = signCheckpoint({ origin: ORIGIN, size: 1, root }, [LOG_KEY]);
      const keysOf = [LOG_KEY.verifier.vkey];
      expect(codeOf(printReceipt({ record, index: 0, proof: [], checkpoint, keys: keysOf, outcomes: [] }))).to.equal("receipt_malformed");
    }
  });

  function codeOf(receipt: string): string {
    try {
      verifyReceipt(receipt, keys);
    } catch (error) {
      if (error instanceof ReceiptError) return error.code;
      throw error;
    }
    return "ok";
  }

  it("is told on the command line, with whom, why and what became of it", async () => {
    const file = join(folder, "receipt.json");
    writeFileSync(file, printReceipt(good));
    const { exit, out, err } = await remit("audit", "verify-receipt", file, "--key", LOG_KEY.verifier.vkey);
    expect(exit, err).to.equal("ok");
    for (const part of [
      "verified  record 30 of log log.example/pdp",
      "on behalf of",
      "ada@example.com",
      "support-7, version 3",
      "pep-1",
      "S-4",
      "customer_support",
      "read invoice/I-30",
      "unrelated_financials",
      "sequence 7",
      "done at",
    ])
      expect(out).to.include(part);
    expect(err).to.equal("");
    const json = JSON.parse((await remit("audit", "verify-receipt", file, "--json")).out) as Record<string, unknown>;
    expect(json).to.deep.include({ ok: true, index: 29, checkpoint: { origin: ORIGIN, size: 300 } });
    expect(json["keys"]).to.deep.equal({ vkeys: [LOG_KEY.verifier.vkey], named_by: "receipt" });
  });

  it("is refused on the command line with its code", async () => {
    const file = join(folder, "altered.json");
    writeFileSync(file, printReceipt(good).replace("support-7", "support-8"));
    const { exit, out } = await remit("audit", "verify-receipt", file, "--key", LOG_KEY.verifier.vkey, "--json");
    expect(exit).to.equal("invalid");
    expect((JSON.parse(out) as { error: { code: string } }).error.code).to.equal("record_not_included");
    expect((await remit("audit", "verify-receipt", file, "--key", "nonsense")).exit).to.equal("invalid");
    expect((await remit("audit", "verify-receipt", join(folder, "nowhere.json"))).exit).to.equal("failed");
  });
});

describe("what a record says (AARM R5, R6)", () => {
  const record = decisionRecord(30);

  it("is each of the fields that a receipt must have", () => {
    const account = accountOf(record);
    expect(account?.who).to.deep.equal({
      on_behalf_of: "ada@example.com",
      service: "pep-1",
      agent: { id: "support-7", version: "3", owner: "desk@example.com" },
      proven: null,
      session: "S-4",
      role: "customer_support",
      scope: { task: "T-1", root_task: "T-1", handed_on: 0, about: { ticket: ["TCK-81"] }, grants: [] },
    });
    expect(account).to.deep.include({ decision: "allow", proceed: true, deferral: null });
    expect(account?.policy).to.deep.equal(record.answer.policy);
    expect(account?.approval).to.deep.equal({ needed: false, until: null, given_by: [] });
  });

  const facts = (record.input as { facts: object }).facts;
  const proof = {
    actor: { issuer: "https://idp", subject: "support-7" },
    chain: [{ issuer: "https://idp", subject: "planner-1" }],
    principal: { issuer: "https://idp", subject: "ada" },
    token: { expires_ms: 1, issued_ms: null, jti: null },
  };
  for (const [what, changed, lines] of [
    [
      "a wait for a person",
      { answer: { ...record.answer, wait: { for: "approval", until: "2026-01-14T12:00:00Z" } } },
      ["approval: waited for, until 2026-01-14T12:00:00Z", "deferral: none"],
    ],
    [
      "an approval",
      { input: { ...record.input, facts: { ...facts, grants: [{ about: "any", exact: true, id: "G-1", when: [] }] } }, uses: ["G-1"] },
      ["approval: by grant G-1", "scope: task T-1; ticket TCK-81; grants G-1"],
    ],
    [
      "a deferral",
      { answer: { ...record.answer, wait: { for: "context", needs: ["customer.region"], until: "2026-01-14T12:00:00Z" } } },
      ["deferral: until 2026-01-14T12:00:00Z, for customer.region", "approval: not needed"],
    ],
    ["a token of the agent's own", { proof }, ["proven by: its token: support-7, through planner-1, for ada"]],
    [
      "an observation",
      { kind: "observed", at: "2026-01-14T11:00:00Z", outcome: "done" },
      ["decision: 0190-30, of what had happened already", "happened: at 2026-01-14T11:00:00Z, says pep-1", "outcome: done"],
    ],
    ["an observation that says no outcome", { kind: "observed", at: "2026-01-14T11:00:00Z" }, ["outcome: not reported"]],
    ["a decision of which it has no outcome, and not that there was none", {}, ["outcome: none in this receipt"]],
    ["masked values", { masked: ["/input/request/arguments/iban"] }, ["masked: /input/request/arguments/iban"]],
    [
      "a refusal below the policy",
      { input: undefined, request: (record.input as { request: object }).request, floor: { task: { principal: "ada@example.com" } } },
      ["on behalf of: ada@example.com", "agent: support-7, version not known, owned by not known", "action: read invoice/I-30"],
    ],
    [
      "nothing but its kind",
      { answer: undefined, input: undefined, asked: undefined },
      ["agent: not known, version not known, owned by not known"],
    ],
  ] as const) {
    it(`tells ${what}`, () => {
      const account = accountOf({ ...record, ...changed });
      if (account === null) throw new Error("it is a decision");
      const told = accountLines(account).map(([name, value]) => `${name}: ${value}`);
      for (const line of lines) expect(told).to.include(line);
    });
  }

  const until = "2026-01-14T12:00:00Z";
  // prettier-ignore
  const five: Record<string, [answer: object, lines: string[]]> = {
    ALLOW: [{ decision: "allow", proceed: true }, ["decided: allow, goes on"]],
    MODIFY: [{ decision: "allow", proceed: true, obligations: [{ argument: "cents", modify: 5000 }] }, ["decided: allow, goes on", 'obligation: {"argument":"cents","modify":5000}']],
    DENY: [{ decision: "deny", proceed: false }, ["decided: deny, doesn't go on"]],
    STEP_UP: [{ decision: "flag", proceed: false, wait: { for: "approval", until } }, ["decided: flag, doesn't go on", `approval: waited for, until ${until}`]],
    DEFER: [{ decision: "flag", proceed: false, wait: { for: "context", needs: ["customer.region"], until } }, [`deferral: until ${until}, for customer.region`]],
  };
  const log = writeLog(join(temporaryDirectory(), "five"), {
    records: 6,
    segment_records: 6,
    text: (seq, usual) => {
      const answer = Object.values(five)[seq - 2]?.[0];
      if (answer === undefined) return usual;
      const whole = decisionRecord(seq);
      return canonical({ ...whole, answer: { ...whole.answer, ...answer } });
    },
  });
  for (const [i, [outcome, [, lines]]] of Object.entries(five).entries()) {
    it(`is proven and told for ${outcome}, and not with another requester or policy`, () => {
      const receipt = printReceipt(log.receiptOf(i + 2));
      const account = accountOf(verifyReceipt(receipt, [LOG_KEY.verifier]).record);
      if (account === null) throw new Error("it is a decision");
      const told = accountLines(account).map(([name, value]) => `${name}: ${value}`);
      const always = [
        "on behalf of: ada@example.com",
        "service: pep-1",
        "session: S-4",
        "role: customer_support",
        `policy: customer_support r-7, sequence 7, sha256:${"ab".repeat(32)}`,
      ];
      for (const line of [...always, ...lines]) expect(told).to.include(line);
      for (const altered of [receipt.replace("ada@example.com", "bob@example.com"), receipt.replace("sha256:abab", "sha256:abac")])
        expect(() => verifyReceipt(altered, [LOG_KEY.verifier])).to.throw(ReceiptError);
    });
  }

  it("is nothing for a record of another kind", () => {
    expect(accountOf({ kind: "facts" })).to.be.null;
  });
});

describe("proof files (C2SP tlog-proof)", () => {
  const known = vectors("c2sp", "tlog-proof.json") as ProofVectors;

  for (const { name, index, hashes, checkpoint, extraBase64, want } of known.marshal) {
    it(`are written and read as the reference does: ${name}`, () => {
      const extra = extraBase64 === undefined ? null : Buffer.from(extraBase64, "base64");
      const file = { extra, index, proof: hashes.map(hashFrom), checkpoint };
      expect(printProofFile(file)).to.equal(want);
      expect(parseProofFile(want)).to.deep.equal(file);
    });
  }

  for (const { name, proof, proofRepeat } of known.unmarshalErrors) {
    it(`are refused as the reference does: ${name}`, () => {
      const bad =
        proof ?? `${proofRepeat?.head ?? ""}${(proofRepeat?.char ?? "").repeat(proofRepeat?.count ?? 0)}${proofRepeat?.tail ?? ""}`;
      expect(() => parseProofFile(bad)).to.throw(ProofFileError);
    });
  }

  for (const [what, bad] of [
    ["nothing", ""],
    ["64 hashes", `c2sp.org/tlog-proof@v1\nindex 0\n${`${"A".repeat(43)}=\n`.repeat(64)}\ncheckpoint\n`],
    ["a leading zero", "c2sp.org/tlog-proof@v1\nindex 01\n\ncheckpoint\n"],
    ["an index above 2^53", "c2sp.org/tlog-proof@v1\nindex 9007199254740993\n\ncheckpoint\n"],
    ["extra behind the index", "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\ncheckpoint\n"],
    ["more than it may be", `c2sp.org/tlog-proof@v1\nindex 0\n\n${"x".repeat(1_000_000)}`],
  ] as const) {
    it(`are refused with ${what}`, () => {
      expect(() => parseProofFile(bad)).to.throw(ProofFileError);
    });
  }

  it("prove entry 300 of the reference's log", () => {
    const { logVkey } = vectors("c2sp", "tree-600", "vectors.json") as { logVkey: string };
    const { index, proof, checkpoint } = parseProofFile(vectorBytes("c2sp", "tree-600", "entry-300.tlog-proof").toString());
    const { size, root } = openCheckpoint(checkpoint, [readVerifier(logVkey)]);
    const entry = entriesOf(vectorBytes("c2sp", "tree-600", "tile", "entries", "001"))[index - 256];
    expect(includes({ leaf: leafHash(entry ?? Buffer.alloc(0)), index, size, proof, root })).to.be.true;
  });
});

describe("what was kept of a log", () => {
  const folder = temporaryDirectory();
  const log = writeLog(join(folder, "log"), { records: 20, segment_records: 20 });
  const receipt = log.receiptOf(7);

  it("is a checkpoint, whether by itself, in a receipt or in a proof file", () => {
    const proofFile = printProofFile({ extra: null, index: 6, proof: receipt.proof.map(hashFrom), checkpoint: receipt.checkpoint });
    for (const kept of [receipt.checkpoint, printReceipt(receipt), proofFile])
      expect(String(checkpointIn(Buffer.from(kept)))).to.equal(receipt.checkpoint);
  });

  it("is refused as a receipt whose record its checkpoint doesn't cover", () => {
    const altered = printReceipt({ ...receipt, record: receipt.record.replace("bob", "eve") });
    expect(() => checkpointIn(Buffer.from(altered))).to.throw(ReceiptError);
    expect(() => checkpointIn(Buffer.from("{ not json"))).to.throw(ReceiptError);
  });
});
