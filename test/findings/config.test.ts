import { expect } from "chai";
import { parseConfig } from "../../src/system/config.js";

const config = (findings: string): ReturnType<typeof parseConfig> =>
  parseConfig(
    `identity: {issuers: [{issuer: i, audience: {callers: a}, jwks: k.json}]}
bundle: {name: b, path: b.tar.gz, keys: [k.pem], state_dir: s}
facts: {store: f}
log: {dir: l}
findings: ${findings}
`,
    "/srv/remit.yaml",
  );

describe("the configuration of findings", () => {
  it("has a default for all but the webhook, whose secret is a file", () => {
    expect(config("{}").findings).to.deep.equal({ kept_max: 10_000, kept_days: 90, approval_lasts_ms: 900_000, followers_max: 64 });
    const { webhook } = config("{webhook: {url: https://h.example/x, secret_file: secret}}").findings;
    expect(webhook).to.deep.equal({
      url: "https://h.example/x",
      secret_file: "/srv/secret",
      format: "standard",
      buttons: false,
      waiting_only: false,
      timeout_ms: 15_000,
      retry_ms: 1000,
      retry_max_ms: 300_000,
    });
  });

  const refused: [findings: string, said: RegExp][] = [
    ["{webhook: {url: https://h.example/x}}", /secret_file: is required for `format: standard`/],
    ["{webhook: {url: https://h.example/x, format: pagerduty}}", /secret_file: is required/],
    ["{webhook: {url: https://h.example/x, format: slack, secret_file: s}}", /secret_file: is not for `format: slack`/],
    ["{webhook: {url: https://h.example/x, format: irc}}", /format/],
    ["{webhook: {url: https://h.example/x, format: teams, buttons: true}}", /buttons: is for `format: slack`/],
    ["{webhook: {url: https://h.example/x, secret_file: s, buttons: true}}", /buttons: is for `format: slack`/],
    ["{webhook: {url: https://h.example/x, format: teams, console_url: 'http://c.example'}}", /console_url.*https/],
    ["{webhook: {secret_file: s}}", /url/],
    ["{webhook: {url: http://h.example/x, secret_file: s}}", /findings\.webhook\.url.*https/],
    ["{webhook: {url: https://user:word@h.example/x, secret_file: s}}", /findings\.webhook\.url/],
    ["{webhook: {url: 'https://h.example/x#y', secret_file: s}}", /findings\.webhook\.url/],
    ["{webhook: {url: 'file:///etc/passwd', secret_file: s}}", /findings\.webhook\.url/],
    ["{webhook: {url: https://h.example/x, secret_file: s, retry_ms: 5000, retry_max_ms: 1000}}", /retry_max_ms/],
    ["{webhook: {url: https://h.example/x, secret_file: s, secret: hunter2}}", /secret/],
    ["{kept_max: 1}", /kept_max/],
    ["{approval_lasts_ms: 0}", /approval_lasts_ms/],
    ["{colour: red}", /colour/],
  ];
  for (const [findings, said] of refused) {
    it(`refuses ${findings}`, () => {
      expect(() => config(findings)).to.throw(said);
    });
  }
});
