import { expect } from "chai";
import fc from "fast-check";
import { isCanonicalId, isCanonicalPath } from "../../src/contract/index.js";

/** What no identifier may hold, whatever its form: [why, the id]. */
const neither: [why: string, ...ids: string[]][] = [
  ["empty", ""],
  ["white space alone", " ", "\u00a0", "\u3000"],
  ["white space at the beginning", " a", "\ta", "\u00a0a", "\u2003a"],
  ["white space at the end", "a ", "a\t", "a\u00a0", "a\u3000", "\u00e9 "],
  [
    "a control character",
    "a\u0000b",
    "\u0000",
    "a\u0000",
    "a\nb",
    "a\n",
    "\na",
    "a\rb",
    "a\r\nb",
    "a\tb",
    "a\u001bb",
    "a\u007fb",
    "a\u0085b",
    "a\u009bb",
    "\u00e9\u0001",
  ],
  ["a line or paragraph separator", "a\u2028b", "a\u2029b"],
  [
    "a bidirectional character",
    "a\u202eb",
    "a\u202ab",
    "a\u202bb",
    "a\u202cb",
    "a\u202db",
    "a\u2066b",
    "a\u2067b",
    "a\u2068b",
    "a\u2069b",
    "a\u200eb",
    "a\u200fb",
    "a\u061cb",
  ],
  [
    "an invisible character",
    "a\u200bb",
    "a\u200cb",
    "a\u200db",
    "a\u2060b",
    "a\ufeffb",
    "\ufeffa",
    "a\u00adb",
    "a\u180eb",
    "a\u034fb",
    "a\ufe0fb",
    "a\u115fb",
    "a\u3164b",
    "a\uffa0b",
    "a\u{e0041}b",
    "a\u{e0100}b",
    "a\u2064b",
    "a\u17b4b",
  ],
  ["a private-use character", "a\ue000b", "a\u{f0000}b"],
  ["half a surrogate pair", "a\ud800b", "a\udc00", "\ud83d"],
  ["another normal form", "cafe\u0301", "\u212b", "A\u030a", "\u017f\u0323\u0307", "\u0958", "\u2126", "\u1100\u1161", "\uf900", "\u0344"],
];

const names = [
  "a",
  "TCK-81",
  "ada",
  "bob@example.com",
  "a b",
  "a..b",
  "..",
  ".",
  "a/b",
  "//",
  "a\\b",
  "%2e",
  "a?b#c",
  "café",
  "Łódź",
  "日本語",
  "Ω",
  "😀",
  "é",
  "𝒜",
  "~",
  "!",
  "''",
  '"',
  "<script>",
  "{x}",
  "a  b",
  "x".repeat(256),
];

const paths = [
  "/",
  "a",
  "/a",
  "a/b",
  "/a/b",
  "a/b.txt",
  ".hidden",
  "a/.b",
  "..a",

  "a..b/c",

  "etc/passwd",
  "a b/c d",
  "a/b@c:d",
  "café/menu",
  "日本/語",
  "100%",
  "a%/b",
  "a%2",
  "a%zz",
  "a&b=c",
  "a;b",
  "a/b~",
  "-",
  "a/-/b",
  "(a)/[b]/*",
];

const badPaths: [why: string, ...ids: string[]][] = [
  [
    "with compatible dots, a slash or a mark of another width",
    "a/\uff0e\uff0e/b",
    "a/\u2025/b",
    "a/\u2024",
    "a\uff0fb",
    "a\uff3cb",
    "a\uff1fb",
    "a\uff0541",
  ],
  ["with what is drawn as a slash", "a\u2044b", "a\u2215b", "a\u29f5b", "a\u29f8b"],
  ["white space around a segment", "a /b", "a/ b", ".. /a", "a/.. /b", "a/ ./b", "a/\u00a0/b", "\u00a0a/b"],
  ["a dot at a segment's end", "a.", "a../b", "...", "a/...", "a./b", "a/b.", ". .", "a/.. ."],
  ["an empty segment", "//", "//a", "a//b", "a/", "/a/", "a/b//", "///", "a///b"],
  ["`.`", ".", "./a", "a/.", "a/./b", "/.", "/./a", "././a"],
  ["`..`", "..", "../a", "a/..", "a/../b", "/..", "/../a", "../../etc/passwd", "a/b/../../c", "/a/..", "..//a"],
  [
    "percent-encoding",
    "%2e%2e/a",
    "a/%2e%2e/b",
    "%2E%2E",
    "a%2fb",
    "a%2Fb",
    "%00",
    "a%00b",
    "a%0ab",
    "%252e%252e",
    "a%5cb",
    "%c0%ae",
    "a/%20b",
    "%e2%80%ae",
    "a%41",
    "caf%C3%A9",
    "..%2fa",
    "%2e",
    ".%2e/a",
  ],
  ["a backslash", "a\\b", "..\\a", "\\", "\\\\host\\share", "a\\..\\b", "C:\\a", "a/b\\", "a\\/b"],
  ["where a URL's reader stops", "a?b", "a#b", "?", "#", "a/?x=1", "a/b#", "a/..?", "a#/../b"],
];

describe("identifiers are canonical or refused", () => {
  for (const id of names) {
    it(`takes the name ${JSON.stringify(id).slice(0, 40)}`, () => {
      expect(isCanonicalId(id)).to.be.true;
    });
  }
  for (const id of paths) {
    it(`takes the path ${JSON.stringify(id)}`, () => {
      expect(isCanonicalPath(id)).to.be.true;
    });
  }
  for (const [why, ...ids] of neither) {
    for (const id of ids) {
      it(`refuses ${why}: ${JSON.stringify(id)} (${codePoints(id)})`, () => {
        expect(isCanonicalId(id), "as a name").to.be.false;
        expect(isCanonicalPath(id), "as a path").to.be.false;
        if (id.trim() !== "") expect(isCanonicalPath(`dir/${id}`), "as a path's last segment").to.be.false;
      });
    }
  }
  for (const [why, ...ids] of badPaths) {
    for (const id of ids) {
      it(`refuses as a path ${why}: ${JSON.stringify(id)}`, () => {
        expect(isCanonicalPath(id)).to.be.false;
      });
    }
  }

  it("takes no path that a URL or a file system would read as another", () => {
    const piece = fc.constantFrom("a", "b", ".", "..", "/", "//", "%2e", "%2f", "\\", "?", "#", "%", " ", "é");
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
        const path = pieces.join("");
        if (!isCanonicalPath(path)) return;
        const rooted = path.startsWith("/") ? path : `/${path}`;
        const read = new URL(`http://host${encodeURI(rooted)}`);
        expect(decodeURI(read.pathname)).to.equal(rooted);
        expect(read.search + read.hash).to.equal("");
      }),
      { numRuns: 3000 },
    );
  });
});

function codePoints(text: string): string {
  return Array.from(text.slice(0, 8), (c) => `U+${(c.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`).join(" ");
}
