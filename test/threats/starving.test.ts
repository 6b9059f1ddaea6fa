/** Somebody asks for so much that others find no room. */
import { StillTimers } from "../facts/world.js";
import { threat } from "./threat.js";

const MAX = 16;
const SHARE = 8;
const OTHERS = 8;

threat("A17", "what is decided at once is bounded, and of it what one caller asks for", {
  async check(tree) {
    const { admission } = await tree("http/admission.js");
    const timers = new StillTimers();
    const { admit } = admission(MAX, timers, SHARE);
    let underWay = 0;
    const ends: (() => void)[] = [];
    const decide = async (): Promise<string> => {
      underWay++;
      await new Promise<void>((resolve) => ends.push(resolve));
      underWay--;
      return "decided";
    };
    const asked = (by: string): Promise<string> => admit(decide, by).catch((cause: unknown) => String(cause));
    const hostile = Array.from({ length: 10 * MAX }, () => asked("hostile"));
    if (underWay > SHARE) return `${underWay} of one caller are under way`;
    const others = Array.from({ length: OTHERS }, (_, i) => asked(`other ${i}`));
    if (underWay < SHARE + OTHERS) return "others find no room";
    const more = Array.from({ length: 10 * MAX }, (_, i) => asked(`more ${i}`));
    if (underWay > MAX) return `${underWay} are under way`;
    // Those that are refused are held back for a while, and then told.
    await timers.advance(1000);
    for (let turn = 0; ends.length > 0; turn++) {
      for (const end of ends.splice(0)) end();
      await new Promise((resolve) => setImmediate(resolve));
      if (turn > 100) throw new Error("it never ends");
    }
    const told = await Promise.all(others);
    if (told.some((one) => one !== "decided")) return `others are told ${told.join(", ")}`;
    const refused = (await Promise.all([...hostile, ...more])).filter((one) => one !== "decided");
    if (refused.length !== 20 * MAX - SHARE) return `${refused.length} were refused`;
    // What is over leaves room, for whoever had it too.
    const again = asked("hostile");
    if (ends.length === 0) return "its share is never given back";
    for (const end of ends.splice(0)) end();
    if ((await again) !== "decided") return "it is refused after all";

    // Of large ones few are begun at once, and each has its turn, in the order that they came.
    const batches = Array.from({ length: SHARE }, () => admit(decide, "hostile", SHARE - 1));
    const another = asked("another");
    if (underWay !== 2 + 1) return `${underWay - 1} large ones of one caller are under way`;
    for (let turn = 0; turn < SHARE; turn++) {
      for (const end of ends.splice(0)) end();
      await new Promise((resolve) => setImmediate(resolve));
      if (underWay > 2) return `${underWay} of one caller are under way`;
    }
    const left = await Promise.race([
      Promise.all([...batches, another]),
      new Promise((resolve) => setImmediate(resolve, "left")),
    ]);
    return left === "left" ? "some have never had their turn" : null;
  },
  without: {
    "a share for each caller": [{ file: "http/admission.js", from: " || (share !== null && share.requests >= share_max)", to: "" }],
    "the bound on all": [{ file: "http/admission.js", from: "underWay >= max || (share", to: "(share" }],
    "what one caller's requests ask for being counted": [{ file: "http/admission.js", from: "if (share.decisions < share_max)", to: "if (true)" }],
    "turns being given on": [{ file: "http/admission.js", from: "beginMore(share, share_max);", to: "0;" }],
    "room being given back": [{ file: "http/admission.js", from: "if (--share.requests === 0)", to: "if (share.requests === 0)" }],
  }, // prettier-ignore
});
