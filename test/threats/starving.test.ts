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
    return (await again) === "decided" ? null : "it is refused after all";
  },
  without: {
    "a share for each caller": [{ file: "http/admission.js", from: " || share >= share_max", to: "" }],
    "the bound on all": [{ file: "http/admission.js", from: "underWay >= max || share >= share_max", to: "share >= share_max" }],
    "room being given back": [{ file: "http/admission.js", from: "leave(shares, by);", to: "0;" }],
  }, // prettier-ignore
});
