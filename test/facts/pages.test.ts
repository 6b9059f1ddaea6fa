import { expect } from "chai";
import { page } from "../../src/facts/pages.js";
import { SortedIds } from "../../src/facts/sorted_ids.js";

describe("pages of what a caller may know in part", () => {
  const ids = new SortedIds();
  for (let i = 0; i < 5000; i++) ids.add(`hidden-${String(i).padStart(5, "0")}`);
  ids.add("z-seen");
  ids.settle();
  const look = (cursor: string | null) => page(ids, { cursor, limit: 10 }, (id) => (id === "z-seen" ? id : null));

  it("go on behind what was passed over, and don't say what that was", () => {
    const cursors: string[] = [];
    let items: string[] = [];
    for (let cursor: string | null = null; items.length === 0;) {
      const found = look(cursor);
      items = found.items;
      if (found.next === null) break;
      cursors.push((cursor = found.next));
    }
    expect([items, cursors.length]).to.deep.equal([["z-seen"], 2]);
    for (const cursor of cursors) expect(Buffer.from(cursor.slice(1), "base64url").toString("latin1")).to.not.include("hidden");
  });

  it("refuse a cursor that was changed, cut or made up", () => {
    const next = look(null).next ?? "";
    for (const cursor of [
      "~",
      "~AAAA",
      `${next}A`,
      next.slice(0, -2),
      `${next.slice(0, 20)}${next[20] === "A" ? "B" : "A"}${next.slice(21)}`,
    ])
      expect(() => look(cursor), cursor)
        .to.throw()
        .with.property("code", "field_invalid");
  });
});
