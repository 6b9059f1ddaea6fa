import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { system, systemClock } from "../../src/system/index.js";
import { post, REQUEST, run, tokenFor, type Running } from "../http/running.js";
import { decisionRecords, records } from "./support.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const TOKEN_MS = 23 * HOUR_MS;
/** Task → when it ends, from the start on. */
const ENDS: Record<string, number> = {
  minutes: 5 * MINUTE_MS,
  half: 30 * MINUTE_MS,
  hours: 2 * HOUR_MS,
  day: 20 * HOUR_MS,
  days: 2 * DAY_MS,
};
/** How far the wall clock is moved each time. */
const JUMPS = [HOUR_MS, -HOUR_MS, -HOUR_MS, HOUR_MS, DAY_MS, -DAY_MS, -DAY_MS, DAY_MS, 29 * MINUTE_MS, 2 * MINUTE_MS, -31 * MINUTE_MS];
const ROUNDS = 2;

describe("a wall clock that jumps under load", () => {
  let service: Running;
  let ahead_ms = 0;
  let start_ms = 0;
  let token = "";
  const clock = { ...systemClock, wall: () => systemClock.wall() + ahead_ms };

  before(async () => {
    service = await run({}, true, { ...system, clock });
    start_ms = systemClock.wall();
    token = tokenFor("remit:decide remit:register", "gateway-1", TOKEN_MS / 1000);
    for (const [id, ms] of Object.entries(ENDS)) {
      const expires = new Date(start_ms + ms).toISOString();
      expect((await ask("/tasks", { id, agent: "a-1", purpose: "testing", expires })).status).to.equal(201);
    }
  });
  after(() => service.stop());

  const ask = (path: string, body: object): Promise<Response> => post(service, path, body, { authorization: `Bearer ${token}` });

  interface Seen {
    task: string;
    /** The host's time when it was asked and when it was answered. */
    from_ms: number;
    to_ms: number;
    said: string;
    id: string | null;
  }

  async function decide(task: string): Promise<Seen> {
    const from_ms = clock.wall();
    const response = await ask("/decide", { ...REQUEST, task });
    const body = (await response.json()) as Answer & { code?: string };
    const said = response.status === 200 ? (body.reasons[0]?.code ?? "") : `${response.status} ${body.code ?? ""}`;
    return { task, from_ms, to_ms: clock.wall(), said, id: response.status === 200 ? body.decision_id : null };
  }

  /** What may be said at a time of the host's. */
  function right(task: string, at_ms: number): string {
    if (at_ms >= start_ms + TOKEN_MS) return "401 token_expired";
    return at_ms >= start_ms + (ENDS[task] ?? 0) ? "task_expired" : "permitted";
  }

  it("lets nobody act past an end, and changes no order, number or id of what is recorded", async () => {
    const seen: Seen[] = [];
    const round = (): Promise<Seen>[] => Object.keys(ENDS).map(decide);
    for (const jump of Array.from({ length: ROUNDS }, () => JUMPS).flat()) {
      const across = round();
      ahead_ms += jump;
      // Those under way may be decided before the jump or after it.
      for (const { said, task, ...times } of await Promise.all(across)) {
        expect([right(task, times.from_ms), right(task, times.to_ms)]).to.include(said);
        seen.push({ said, task, ...times });
      }
      const settled = await Promise.all(round());
      const expected = settled.map(({ task, from_ms }) => right(task, from_ms));
      expect(settled.map(({ said }) => said)).to.deep.equal(expected);
      seen.push(...settled);
    }
    expect(ahead_ms).to.equal(0);
    expect(new Set(seen.map(({ said }) => said))).to.deep.equal(new Set(["permitted", "task_expired", "401 token_expired"]));

    await service.stopKeeping();
    const all = records(service.folder);
    expect(all.map(({ seq }) => seq)).to.deep.equal(all.map((_, i) => i + 1));
    const decisions = decisionRecords(service.folder);
    const ids = decisions.map(({ answer }) => answer.decision_id);
    expect(new Set(ids).size).to.equal(ids.length);
    expect(ids.filter((id) => !/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).to.deep.equal([]);
    const tasks = new Map(seen.map(({ id, task }) => [id, task]));
    expect(ids.map((id) => tasks.has(id))).to.deep.equal(ids.map(() => true));
    for (const { answer, time } of decisions) {
      const task = tasks.get(answer.decision_id) ?? "";
      const left = start_ms + (ENDS[task] ?? 0) - Date.parse(time);
      expect(answer.reasons[0]?.code).to.equal(right(task, Date.parse(time)));
      if (answer.decision === "allow") expect(answer.valid_for_ms).to.be.at.most(left);
    }
  });
});

describe("a wall clock that is set back while a token runs out", () => {
  it("doesn't let it live longer than it had when it was first seen", async () => {
    let ahead_ms = 0;
    let elapsed_ms = 0;
    const service = await run({}, true, {
      ...system,
      clock: {
        wall: () => systemClock.wall() + elapsed_ms + ahead_ms,
        monotonic: () => systemClock.monotonic() + elapsed_ms,
      },
    });
    try {
      const authorization = `Bearer ${tokenFor("remit:decide", "gateway-1", 600)}`;
      const status = async (): Promise<number> => (await post(service, "/decide", REQUEST, { authorization })).status;
      expect(await status()).to.equal(200);
      elapsed_ms = 5 * MINUTE_MS;
      for (const back of [-HOUR_MS, -DAY_MS, 0]) {
        ahead_ms = back;
        expect(await status()).to.equal(200);
      }
      elapsed_ms = 11 * MINUTE_MS;
      for (const back of [0, -HOUR_MS, -DAY_MS]) {
        ahead_ms = back;
        expect(await status()).to.equal(401);
      }
    } finally {
      await service.stop();
    }
  });
});
