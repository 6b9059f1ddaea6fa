import { expect } from "chai";
import type { LookupOptions } from "node:dns";
import { isPrivate, literalAddress, publicLookup } from "../../src/system/addresses.js";

/** Hosts as a URL may spell them, each of which is an address inside. */
const INSIDE = [
  ...["127.0.0.1", "127.1", "127.255.255.254", "0x7f.1", "2130706433", "0177.0.0.1", "0.0.0.0", "0"],
  ...["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.169.254", "192.0.0.1", "198.18.0.1"],
  ...["192.0.2.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"],
  ...[
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:8.8.8.8]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
  ],
  ...["[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001:db8::1]", "[2001::1]", "[fec0::1]", "[100::1]"],
];
const OUTSIDE = ["8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.255.255", "1.1.1.1", "[2606:4700:4700::1111]", "[2a00:1450:4001::1]"];

const lookedUp = (name: string, options: LookupOptions): Promise<string> =>
  new Promise((resolve) => {
    publicLookup(name, options, (error, address) => {
      resolve(error === null ? JSON.stringify(address) : error.message);
    });
  });

describe("private addresses", () => {
  it("are those that aren't public, however they are spelled", () => {
    expect(INSIDE.length).to.be.above(30);
    for (const host of INSIDE) {
      const address = literalAddress(new URL(`https://${host}/x`));
      expect([host, address !== null && isPrivate(address)]).to.deep.equal([host, true]);
    }
    for (const host of OUTSIDE) {
      const address = literalAddress(new URL(`https://${host}/x`));
      expect([host, address !== null && isPrivate(address)]).to.deep.equal([host, false]);
    }
  });

  it("take what is no address for private", () => {
    for (const text of ["", "localhost", "10.0.0", "::g", "1.2.3.4.5", "169.254.169.254 "]) expect(isPrivate(text)).to.equal(true);
  });

  it("are looked at when a name is resolved, whichever way it is asked for", async () => {
    for (const options of [{}, { all: true }, { family: 4 }])
      expect(await lookedUp("localhost", options)).to.match(/localhost has a private address/);
    expect(await lookedUp("no-such-host.invalid", {})).to.match(/ENOTFOUND|EAI_AGAIN/);
  });
});
