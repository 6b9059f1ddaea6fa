import { expect } from "chai";
import { Addresses } from "../../src/client/addresses.js";
import { OptionError } from "../../src/client/option_error.js";
import { readTransport } from "../../src/client/options.js";

describe("addresses of a service", () => {
  let now: number;
  const urls = ["a", "b", "c"].map((name) => new URL(`http://${name}.example/`));
  const of = (...some: URL[]): Addresses => new Addresses(some, () => now);
  beforeEach(() => {
    now = 0;
  });

  it("are the first until that can't be reached, then the next, and the first again at last", () => {
    const addresses = of(...urls);
    const [a, b, c] = urls as [URL, URL, URL];
    expect(addresses.current).to.equal(a);
    addresses.failed(a);
    expect(addresses.current).to.equal(b);
    addresses.failed(b);
    expect(addresses.current).to.equal(c);
    addresses.failed(c);
    expect(addresses.current, "all were tried").to.equal(a);
  });

  it("are the first again after a while, for as long as that can be reached", () => {
    const addresses = of(...urls);
    addresses.failed(urls[0] as URL);
    now += 29_999;
    expect(addresses.current).to.equal(urls[1]);
    now += 1;
    expect(addresses.current).to.equal(urls[0]);
    addresses.failed(urls[0] as URL);
    expect(addresses.current).to.equal(urls[1]);
  });

  it("aren't left for what was asked before, at another", () => {
    const addresses = of(...urls);
    addresses.failed(urls[0] as URL);
    addresses.failed(urls[0] as URL);
    addresses.failed(urls[2] as URL);
    expect(addresses.current).to.equal(urls[1]);
  });

  it("stay the only one", () => {
    const addresses = of(urls[0] as URL);
    addresses.failed(urls[0] as URL);
    expect(addresses.current).to.equal(urls[0]);
  });

  for (const url of [
    [],
    ["http://a.example", "ftp://b.example"],
    ["http://a.example", ""],
    [["http://a.example"]],
    Array(17).fill("http://a.example"),
    ["http://u@a.example"],
  ])
    it(`are refused: ${JSON.stringify(url).slice(0, 60)}`, () => {
      expect(() => readTransport({ url: url as string[], token: "t" })).to.throw(OptionError, /url/);
    });
});
