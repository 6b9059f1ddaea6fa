import { readFileSync } from "node:fs";
import { expect } from "chai";
import { CAEP, EVENT_TYPES, RISC, shortName } from "../../../src/adapters/events/event_types.js";
import { SET_ERRORS } from "../../../src/adapters/events/refusals.js";
import { TOLD_TYPES } from "../../../src/adapters/events/told_events.js";
import { parseConfig } from "../../../src/system/config.js";
import { system } from "../../../src/system/index.js";
import { asset } from "../../../src/system/paths.js";
import { checkSecurityEvents } from "../../../src/service/security_events.js";

const TEXT = readFileSync(asset("docs", "security-events.md"), "utf8");
const BASE = `
identity: {issuers: [{issuer: i, audience: {callers: a}, jwks: j}]}
bundle: {name: n, path: p, keys: [k], state_dir: s}
facts: {store: s}
log: {dir: l}
`;

describe("the guide to security events", () => {
  it("has configurations that can be pasted", () => {
    const blocks = [...TEXT.matchAll(/```yaml\n([^]*?)```/g)].map(([, block = ""]) => parseConfig(BASE + block, "/remit.yaml"));
    expect(blocks.map(({ security_events: events }) => Object.keys(events ?? {}))).to.deep.equal([
      ["dir", "receiver"],
      ["dir", "transmitter"],
    ]);
  });

  it("names files that a check of the configuration reads, as a start does", () => {
    const blocks = [...TEXT.matchAll(/```yaml\n([^]*?)```/g)].map(([, block = ""]) => parseConfig(BASE + block, "/remit.yaml"));
    const files = ["/etc/remit/partner.jwks.json", "/etc/remit/events.pem"];
    for (const [i, config] of blocks.entries())
      expect(() => {
        checkSecurityEvents(config, system);
      }).to.throw(files[i]);
  });

  it("names every event that does something, every error, and every event that is told", () => {
    const idle = /session-(established|presented)|opt-|identifier-|recovery-|change-required/;
    for (const type of [...EVENT_TYPES.filter((one) => !idle.test(one)), ...TOLD_TYPES]) {
      expect(type.startsWith(CAEP) || type.startsWith(RISC)).to.equal(true);
      expect(TEXT).to.contain(shortName(type));
    }
    for (const code of Object.keys(SET_ERRORS).filter((one) => one !== "access_denied")) expect(TEXT).to.contain(`\`${code}\``);
  });
});
