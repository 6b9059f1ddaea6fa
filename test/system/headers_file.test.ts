import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readHeaders } from "../../src/system/headers_file.js";

describe("a file of headers", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-headers-"));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const read = (text: string): Record<string, string> => {
    writeFileSync(join(folder, "h"), text);
    return readHeaders(join(folder, "h"));
  };

  it("gives headers by name, without comments, empty lines and the blanks around a value", () => {
    const headers = read("# Splunk\r\nAuthorization: Splunk 0-1 \r\n\nX-Scope:a:b c\n");
    expect(headers).to.deep.equal({ authorization: "Splunk 0-1", "x-scope": "a:b c" });
  });

  const wrong: [what: string, text: string, message: RegExp][] = [
    ["without a header", "# nothing\n", /expected 1 to 32/],
    ["with too many", Array.from({ length: 33 }, (_, i) => `x-${i}: 1`).join("\n"), /expected 1 to 32/],
    ["with a line that is none", "x: 1\nhello", /line 2: expected a header/],
    ["with a name that is none", "x y: 1", /line 1: expected a header/],
    ["with an empty name", ": 1", /line 1: expected a header/],
    ["with an empty value", "x: ", /line 1: expected a header/],
    ["with a value that isn't ASCII", "x: é", /line 1: expected a header/],
    ["with a control character", "x: a\u0000b", /line 1: expected a header/],
    ["with a lone carriage return, which would begin another header", "x: a\rhost: b", /line 1: expected a header/],
    ["with one twice, in other letters", "X: 1\nx: 2", /line 2: x is there twice/],
    ["with the body's length", "Content-Length: 3", /line 1: content-length is set by the sender/],
    ["with its host", "Host: elsewhere", /line 1: host is set by the sender/],
  ];
  for (const [what, text, message] of wrong) {
    it(`is refused ${what}, and its values stand in no message`, () => {
      expect(() => read(text))
        .to.throw(message)
        .with.property("message")
        .that.does.not.match(/: 1$|hello|elsewhere/);
    });
  }
});
