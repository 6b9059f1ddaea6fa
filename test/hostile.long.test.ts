/** Hostile requests over real sockets to a service in its own process; `node dist/bench/hostile.js` sends a million. */
import { randomInt } from "node:crypto";
import { expect } from "chai";
import { findOpa, type Opa } from "../src/bundle/opa.js";
import { ASKED_SHARE_LEAST, ATTACKS, attack } from "./hostile/attack.js";

/** Given again, the same requests are made: `REMIT_SEED=… make test F=hostile`. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const REQUESTS = Number(process.env["REMIT_HOSTILE"] ?? 8_000);

describe(`a service under hostile requests (REMIT_SEED=${SEED})`, function () {
  this.timeout(900_000);
  let opa: Opa;
  before(async () => {
    opa = await findOpa();
  });

  for (const { bundle, learns, share } of ATTACKS) {
    it(`with ${bundle}${learns ? ", learning," : ""} answers as documented, records each answer, permits only what OPA does, and stays up`, async () => {
      const requests = Math.ceil(REQUESTS * share);
      const connections = 32;
      const report = await attack({ opa, bundle, learns, seed: SEED, requests, connections, progress: () => undefined });
      expect(report.violations, `${report.violated} violations`).to.deep.equal([]);
      if (learns) return;
      expect(report.asked_of_opa, "held against OPA").to.be.above(requests * ASKED_SHARE_LEAST);
      // That it said no wrong yes would mean little had it said none at all.
      // Outside a purpose's hours what would be an allow is a flag that proceeds.
      const { allow, flag, deny, proceed } = report.decisions;
      for (const number of [allow + flag, deny, proceed]) expect(number).to.be.above(requests / 200);
      expect(report.answers["200"]).to.be.above(requests / 4);
      expect(Object.keys(report.problems).length, "kinds of problems").to.be.above(20);
    });
  }
});
