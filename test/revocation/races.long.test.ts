import { expect } from "chai";
import { EVERY, runWithFacts } from "../http/asking.js";
import { race } from "./races.js";

const RACES = 10_000;

describe("a revocation under load", function () {
  it(`leaves no allow after its acknowledgement in ${RACES} races at 64 connections`, async () => {
    const service = await runWithFacts();
    try {
      const raced = await race({ host: "127.0.0.1", port: service.port, token: EVERY, connections: 64, races: RACES });
      expect(raced.violations).to.deep.equal([]);
      expect(raced.races).to.be.at.least(RACES);
      expect(raced.after_least).to.be.at.least(100);
      expect(raced.allowed).to.be.greaterThan(RACES / 10);
    } finally {
      await service.stop();
    }
  });
});
