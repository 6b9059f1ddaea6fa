import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { tellDay } from "../../demo/day.js";
import { runService, type RunningService } from "../../demo/service.js";
import type { Told } from "../../demo/teller.js";
import { terminal } from "../../src/cli/ui.js";
import type { Answer } from "../../src/contract/index.js";

/** What the story was told as, and what it came to. */
async function told(start: typeof runService = runService): Promise<Told & { text: string }> {
  let text = "";
  const stream = { write: (said: string) => (text += said) };
  const came = await tellDay(terminal(stream, stream, {}), start);
  return { ...came, text };
}

interface Sent {
  method: string;
  path: string;
  body: Buffer;
}

/** What stands before the service changes what is asked, or what is answered; null leaves it. */
interface Change {
  request?: (sent: Sent) => Sent | null;
  answer?: (sent: Sent, body: string) => string | null;
}

/** The service behind somebody who changes what goes through. */
function behind({ request = () => null, answer = () => null }: Change): typeof runService {
  return async (options) => {
    const service = await runService(options);
    const pass = async (incoming: IncomingMessage): Promise<{ status: number; body: string }> => {
      const asked: Sent = {
        method: incoming.method ?? "",
        path: incoming.url ?? "",
        body: await buffer(incoming),
      };
      const sent = request(asked) ?? asked;
      const response = await fetch(`${service.url}${sent.path}`, {
        method: sent.method,
        headers: { authorization: incoming.headers.authorization ?? "", "content-type": "application/json" },
        ...(sent.body.length === 0 ? {} : { body: new Uint8Array(sent.body) }),
      });
      const body = await response.text();
      return { status: response.status, body: answer(asked, body) ?? body };
    };
    const server = createServer((incoming, outgoing) => {
      void pass(incoming).then(({ status, body }) => outgoing.writeHead(status).end(body));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const changed: RunningService = {
      ...service,
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      async stop() {
        server.closeAllConnections();
        server.close();
        await service.stop();
      },
    };
    return changed;
  };
}

const going = (answer: Answer): Answer => ({ ...answer, decision: "allow", proceed: true, reasons: [] });

function allowing(body: string): string {
  const answered = JSON.parse(body) as Answer & { answers?: Answer[] };
  return JSON.stringify(answered.answers === undefined ? going(answered) : { answers: answered.answers.map(going) });
}

describe("the demo's day at a support desk", function () {
  let came: Awaited<ReturnType<typeof told>>;
  before(async () => {
    came = await told();
  });

  it("comes out as the story says, on a registry that was empty", () => {
    const { wrong, decisions, text } = came;
    expect(wrong).to.deep.equal([]);
    expect(text).to.contain("As the story says.").and.contain(`${decisions} of ${decisions} decisions are on record`);
    expect(decisions).to.be.above(100);
    // Colours are for terminals.
    expect(text).not.to.contain("\x1b");
  });

  it("tells of the revocation, why the next action was denied, and that the decision knew", () => {
    const { text } = came;
    const [, revoked] = /security revokes support-7.*\(facts revision (\d+)\)/.exec(text) ?? [];
    const next = /its very next action.*\n +agent support-7 is revoked\n.*\n +decided on facts revision (\d+)/.exec(text);
    expect(Number(next?.[1])).to.be.at.least(Number(revoked));
    expect(text).to.match(/the run stops: \d+ read, \d+ denied, \d+ never asked for/);
    expect(text).to.contain("grant G-1 is used up").and.contain("0 are still live");
  });

  const decides = ({ path }: Sent): boolean => path.startsWith("/decide");
  const without = (sent: Sent, ...members: string[]): Sent => {
    const body = JSON.parse(sent.body.toString()) as Record<string, unknown>;
    for (const member of members) Reflect.deleteProperty(body, member);
    return { ...sent, body: Buffer.from(JSON.stringify(body)) };
  };
  const nothing = (sent: Sent): Sent => ({ ...sent, method: "GET", path: "/healthz", body: Buffer.alloc(0) });

  const made = JSON.stringify({
    answers: Array.from({ length: 10 }, () => going({ valid_for_ms: 5000, obligations: [] } as unknown as Answer)),
  });

  // prettier-ignore
  const bad: [string, Change, RegExp][] = [
    ["a service that allows everything", { answer: (sent, body) => (decides(sent) ? allowing(body) : null) }, /its very next action/],
    ["a revocation that never arrives", { request: (sent) => (sent.path.startsWith("/revocations") ? nothing(sent) : null) }, /stopped in the middle/],
    ["a lift that never arrives", { request: (sent) => (sent.path.endsWith("/lift") ? nothing(sent) : null) }, /looks at the ticket: the story says allow/],
    ["agents that need not prove themselves", { request: (sent) => (sent.path === "/agents" ? without(sent, "token") : null) }, /agent_token_required|somebody says/],
    ["a part that isn't narrowed", { request: (sent) => (sent.path.startsWith("/tasks") && sent.method === "POST" ? without(sent, "verbs") : null) }, /its part isn't for/],
    ["grants that aren't counted", { request: (sent) => (sent.path === "/grants" ? without(sent, "uses") : null) }, /and once more/],
    ["grants that are never given", { request: (sent) => (sent.path === "/grants" ? nothing(sent) : null) }, /closes the ticket: the story says allow/],
    ["tasks that never end", { request: (sent) => (sent.method === "PATCH" && sent.body.includes("ended") ? nothing(sent) : null) }, /task was to end/],
    ["answers that nobody decided", { request: (sent) => (sent.path === "/decide/batch" ? nothing(sent) : null), answer: (sent) => (sent.path === "/decide/batch" ? made : null) }, /on record/],
  ];
  for (const [title, change, said] of bad) {
    it(`doesn't come out with ${title}`, async () => {
      const { wrong, text } = await told(behind(change));
      expect(wrong.join("\n")).to.match(said);
      expect(text).to.contain("!!!").and.contain(`Not as the story says, ${wrong.length} times.`);
    });
  }
});
