/**
 * An application that decides in its own process until it is killed. It says what it has been answered, an id a line, once it has it.
 *
 *   node application.js <JSON of: dir, url, token, name, keys>
 */
import { openEmbedded } from "../../src/embedded.js";

interface Given {
  dir: string;
  url: string;
  token: string;
  name: string;
  keys: string;
}

const { dir, url, token, name, keys } = JSON.parse(process.argv[2] ?? "") as Given;
const remit = await openEmbedded({
  dir,
  bundle: { name, keys },
  service: { url, token },
  facts: { age_ms_max: 60_000 },
  ready_ms: 30_000,
});
const about = { agent: "support-7", purpose: "customer_support", verb: "read" };
for (let i = 0; ; i++) {
  const actions = Array.from({ length: 5 }, (_, k) => ({
    ...about,
    resource: { type: "customer", id: `c-${i}-${k}` },
  }));
  const answers = await remit.decideBatch(actions);
  process.stdout.write(answers.map(({ decision_id }) => `${decision_id}\n`).join(""));
  await new Promise((resolve) => setTimeout(resolve, 3));
}
