import { expect } from "chai";
import { EVERY, type Json } from "../../http/asking.js";
import { race } from "../../revocation/races.js";
import { IDP, pushed, recordsOf, runReceiver, setOf } from "./support.js";
import { REVOKED, DISABLED, ENABLED } from "./effect_support.js";

const RACES = 3000;

describe("a security event that revokes", function () {
  it(`leaves no allow after its acknowledgement, as an operator's revocation doesn't, in ${RACES} races`, async () => {
    const service = await runReceiver();
    const subjects = [
      { format: "iss_sub", iss: IDP, sub: "a-1" },
      { format: "complex", session: { format: "opaque", id: "T-1" } },
      { format: "email", email: "race" },
    ];
    const tell = async (type: string, nth: number): Promise<string | null> => {
      const at = Date.now() / 1000;
      const token = setOf(type, { event_timestamp: at }, { iat: at, sub_id: subjects[nth % subjects.length] });
      const outcome = await pushed(service, token);
      return outcome === "202" ? null : `an event was answered with ${outcome}`;
    };
    try {
      const raced = await race({
        ...{ host: "127.0.0.1", port: service.port, token: EVERY, connections: 32, races: RACES },
        means: { revoke: (nth) => tell(nth % 2 === 0 ? REVOKED : DISABLED, nth), lift: (nth) => tell(ENABLED, nth) },
      });
      expect(raced.violations).to.deep.equal([]);
      expect(raced.races).to.be.at.least(RACES);
      expect(raced.after_least).to.be.at.least(100);
      expect(raced.allowed).to.be.greaterThan(RACES / 10);
      const records = await recordsOf(service, "security_event");
      expect(records.length).to.be.at.least(2 * raced.windows);
      expect(new Set(records.map(({ detail }) => (detail as Json)["outcome"]))).to.deep.equal(new Set(["applied"]));
    } finally {
      await service.stop();
    }
  });
});
