/** Hostile requests over real sockets to a service in its own process; `node dist/bench/hostile.js` sends a million. */
import { randomInt } from "node:crypto";
import { expect } from "chai";
import { findOpa, type Opa } from "../src/bundle/opa.js";
import { attack } from "./hostile/attack.js";

/** Given again, the same requests are made: `REMIT_SEED=… npx mocha …`. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const REQUESTS = Number(process.env["REMIT_HOSTILE"] ?? 8_000);

describe(`a service under hostile requests (REMIT_SEED=${SEED})`, function () {
  this.timeout(300_000);
  let opa: Opa;
  before(async () => {
    opa = await findOpa();
  });

  for (const bundle of ["customer_support", "retail"]) {
    it(`with ${bundle} answers as documented, records each answer, permits only what OPA does, and stays up`, async () => {
      const connections = 32;
      const report = await attack({ opa, bundle, seed: SEED, requests: REQUESTS, connections, progress: () => undefined }); // prettier-ignore
      expect(report.violations, `${report.violated} violations`).to.deep.equal([]);
      // That it said no wrong yes would mean little had it said none at all.
      // Outside a purpose's hours what would be an allow is a flag that proceeds.
      const { allow, flag, deny, proceed } = report.decisions;
      for (const number of [allow + flag, deny, proceed]) expect(number).to.be.above(REQUESTS / 200);
      expect(report.answers["200"]).to.be.above(REQUESTS / 4);
      expect(Object.keys(report.problems).length, "kinds of problems").to.be.above(20);
    });
  }
});
