import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { temporaryDirectory } from "../audit/temporary.js";
import { REQUEST } from "../http/running.js";
import { Child, placeIn } from "../service/child.js";

const DELETED = '"event":"search_index_removed"';

describe("a service that was of a version with an index of its own", function () {
  it("deletes that index at its first start, says so once, and finds what was recorded", async () => {
    const place = placeIn(temporaryDirectory());
    const earlier = ["index.db", "index.db-wal", "index.db-shm", "index.db.partial"].map((name) => join(place.records, name));
    const said: number[] = [];
    mkdirSync(place.records, { recursive: true });
    for (const file of earlier) writeFileSync(file, "SQLite format 3\0");
    for (const start of [1, 2]) {
      const child = new Child(place);
      try {
        await child.ready();
        expect((await child.told("POST", "/decide", REQUEST)).status).to.equal(200);
        const { body } = await child.told("GET", "/decisions?kind=decision");
        expect(body["items"]).to.have.lengthOf(start);
        said.push(child.said.split(DELETED).length - 1);
      } finally {
        await child.kill();
      }
    }
    expect([said, earlier.filter((file) => existsSync(file))]).to.deep.equal([[1, 0], []]);
  });
});
