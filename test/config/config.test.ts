import { expect } from "chai";
import { PassThrough } from "node:stream";
import { configReference } from "../../scripts/config_reference.js";
import { allowedHosts, parseConfig } from "../../src/system/config.js";
import { logger } from "../../src/system/logger.js";

const least = {
  identity: "{issuers: [{issuer: https://issuer.example, audience: {callers: remit}, jwks: keys.json}]}",
  bundle: "{name: support, path: ../bundles/b.tar.gz, keys: [k1.pem], state_dir: state}",
  facts: "{store: facts, file: /etc/facts.yaml}",
  log: "{dir: log}",
};

/** An `identity` of one issuer, with more of the issuer's and of its own keys. */
const issuer = (keys: string, others = "leeway_s: 5"): string => `{issuers: [{issuer: i, audience: {callers: a}, ${keys}}], ${others}}`;

/** The least configuration with some sections replaced, left out (null) or added. */
function text(changes: Record<string, string | null> = {}): string {
  return Object.entries<string | null>({ ...least, ...changes })
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join("");
}

describe("the configuration", () => {
  it("fills in every default and makes paths absolute from its own place", () => {
    const config = parseConfig(text(), "/srv/remit/etc/remit.yaml");
    expect(config.listen).to.deep.equal({ host: "127.0.0.1", port: 8181 });
    expect(config.limits.body_bytes_max).to.equal(65_536);
    expect(config.limits.depth_max).to.equal(32);
    expect(config.limits.batch_actions_max).to.equal(100);
    expect(config.identity).to.include({ leeway_s: 5, actors_max: 8 });
    expect(config.identity.issuers[0]?.jwks).to.equal("/srv/remit/etc/keys.json");
    expect(config.bundle.path).to.equal("/srv/remit/bundles/b.tar.gz");
    expect(config.bundle.keys).to.deep.equal(["/srv/remit/etc/k1.pem"]);
    expect(config.facts.file).to.equal("/etc/facts.yaml");
    expect(allowedHosts(config)).to.deep.equal(["localhost", "127.0.0.1", "[::1]"]);
  });

  const CLUSTER = "{name: support, node: a, nats: {servers: ['nats://127.0.0.1:4222']}}";
  const ALONE = "{store: facts}";
  it("makes a service a node of a cluster, with a lease that outlasts an election", () => {
    const { cluster } = parseConfig(text({ cluster: CLUSTER, facts: ALONE }), "/etc/remit.yaml");
    expect(cluster).to.deep.include({ node: "a", lease_ms: 2000, fleet_within_ms: 1000, nodes_max: 3 });
    expect(cluster?.nats.replicas).to.equal(3);
    expect(parseConfig(text(), "/etc/remit.yaml").cluster).to.equal(undefined);
  });

  const refusedInCluster: [what: string, sections: Record<string, string>, named: RegExp][] = [
    ["a file of facts", { facts: "{store: facts, file: facts.yaml}" }, /facts\.file/],
    ["records that may be lost", { log: "{dir: log, durability: relaxed}" }, /durability/],
    ["a server that is no URL", { cluster: "{name: support, node: a, nats: {servers: [localhost]}}" }, /servers/],
    ["a server with a password in its URL", { cluster: "{name: s, node: a, nats: {servers: ['nats://u:p@h:4222']}}" }, /servers/],
    ["no server", { cluster: "{name: support, node: a, nats: {servers: []}}" }, /servers/],
    ["a name that is no word", { cluster: "{name: 'a.>', node: a, nats: {servers: ['nats://h:4222']}}" }, /name/],
    ["a lease of no time", { cluster: "{name: s, node: a, lease_ms: 10, nats: {servers: ['nats://h:4222']}}" }, /lease_ms/],
  ];
  for (const [what, sections, named] of refusedInCluster)
    it(`refuses ${what} in a cluster`, () => {
      expect(() => parseConfig(text({ cluster: CLUSTER, facts: ALONE, ...sections }), "/etc/remit.yaml")).to.throw(named);
    });

  it("resolves the paths of a list of keys", () => {
    const identity = issuer("keys: [{kid: k, algorithm: ES256, file: k.pem}]", "task_tokens: {key: t.pem, kid: t}");
    const config = parseConfig(text({ identity }), "/srv/remit.yaml");
    expect(config.identity.issuers[0]?.keys?.[0]?.file).to.equal("/srv/k.pem");
    expect(config.identity.task_tokens).to.deep.equal({ key: "/srv/t.pem", kid: "t", lifetime_max_s: 3600 });
  });

  for (const listen of ["{host: 127.0.0.1}", "{host: 127.8.9.10}", '{host: "::1"}', "{host: localhost}", "{port: 0}"]) {
    it(`serves plain HTTP on ${listen}`, () => {
      expect(parseConfig(text({ listen }), "remit.yaml").tls).to.equal(undefined);
    });
  }

  for (const url of ["https://i.example/jwks", "http://127.0.0.1:8080/jwks", "http://localhost/jwks", "http://[::1]:1/jwks"]) {
    it(`takes keys published at ${url}`, () => {
      const identity = issuer(`remote: {url: "${url}", algorithms: [ES256, RS256]}`);
      expect(parseConfig(text({ identity }), "remit.yaml").identity.issuers[0]?.remote).to.deep.equal({
        ...{ url, algorithms: ["ES256", "RS256"], timeout_ms: 2000, bytes_max: 262_144 },
        ...{ cooldown_ms: 10_000, refresh_ms: 300_000, max_age_ms: 3_600_000, waiting_max: 64 },
      });
    });
  }

  it("answers to the loopback address that it listens on", () => {
    const hosts = (listen: string) => allowedHosts(parseConfig(text({ listen }), "remit.yaml"));
    expect(hosts("{host: 127.8.9.10}")).to.deep.equal(["localhost", "127.0.0.1", "[::1]", "127.8.9.10"]);
    expect(hosts('{host: "::1"}')).to.deep.equal(["localhost", "127.0.0.1", "[::1]"]);
  });

  const tls = "{cert: c.pem, key: k.pem}";
  it("serves any address with TLS and the names it answers for", () => {
    const config = parseConfig(text({ listen: "{host: 0.0.0.0}", tls, hosts: "[pdp.example]" }), "/srv/remit.yaml");
    expect(config.tls).to.deep.equal({ cert: "/srv/c.pem", key: "/srv/k.pem" });
    expect(allowedHosts(config)).to.deep.equal(["pdp.example"]);
  });

  // prettier-ignore
  const refused: [string, Record<string, string | null>, string][] = [
    ["an unknown key", { nothing: "{}" }, "nothing: unknown key"],
    ["a misspelt key", { lisen: "{}" }, "lisen: unknown key; did you mean `listen`?"],
    ["a key with its words in another order", { limits: "{max_body_bytes: 1024}" }, "limits.max_body_bytes: unknown key; did you mean `body_bytes_max`?"],
    ["a misspelt key that has to be there", { log: null, logs: "{dir: log}" }, "remit.yaml:4: logs: unknown key; did you mean `log`?"],
    ["a misspelt key of a section that has to be there", { log: "{dri: log}" }, "log.dri: unknown key; did you mean `dir`?"],
    ["a misspelt key of a list's element", { identity: "{issuers: [{isuer: i, audience: {callers: a}, jwks: j}]}" }, "identity.issuers.0.isuer: unknown key; did you mean `issuer`?"],
    ["a key that is missing, where another is misspelt", { log: null, lisen: "{}" }, "log: missing"],
    ["a key that isn't like any", { log: "{folder: log}" }, "log.dir: missing"],
    ["an unknown key of a section", { listen: "{prot: 1}" }, "listen.prot: unknown key"],
    ["an unknown key of the bundle", { bundle: "{name: n, path: p, keys: [k], state_dir: s, sequence: 1}" }, "bundle.sequence: unknown key"],
    ["no identity", { identity: null }, "identity: missing"],
    ["no issuers", { identity: "{leeway_s: 1}" }, "identity.issuers: missing"],
    ["an empty list of issuers", { identity: "{issuers: []}" }, "identity.issuers: must NOT have fewer"],
    ["an issuer without name", { identity: "{issuers: [{audience: {callers: a}, jwks: j}]}" }, "identity.issuers.0.issuer: missing"],
    ["an empty issuer", { identity: '{issuers: [{issuer: "", audience: {callers: a}, jwks: j}]}' }, "identity.issuers.0.issuer: must NOT have fewer"],
    ["a null issuer", { identity: "{issuers: [{issuer: , audience: {callers: a}, jwks: j}]}" }, "identity.issuers.0.issuer: must be string"],
    ["no audience", { identity: "{issuers: [{issuer: i, jwks: j}]}" }, "identity.issuers.0.audience: missing"],
    ["an audience for nothing", { identity: "{issuers: [{issuer: i, audience: {}, jwks: j}]}" }, "identity.issuers.0.audience: give `callers`, `agents` or both"],
    ["an empty audience", { identity: '{issuers: [{issuer: i, audience: {callers: ""}, jwks: j}]}' }, "identity.issuers.0.audience.callers: must NOT have fewer"],
    ["an audience for something else", { identity: "{issuers: [{issuer: i, audience: {tasks: a}, jwks: j}]}" }, "identity.issuers.0.audience.tasks: unknown key"],
    ...([
      ["two issuers of one name", "{issuer: i, audience: {callers: a}, jwks: j, name: a}, {issuer: i, audience: {callers: a}, jwks: k, name: b}", "issuers.1.issuer: another issuer has this issuer"],
      ["two issuers whose callers are called alike", "{issuer: i, audience: {callers: a}, jwks: j, name: a}, {issuer: k, audience: {callers: a}, jwks: k, name: a}", "issuers.1.name: another issuer has this name"],
      ["two issuers of one trust domain", "{issuer: i, audience: {callers: a}, jwks: j, name: a, spiffe_trust_domain: d}, {issuer: k, audience: {callers: a}, jwks: k, name: b, spiffe_trust_domain: d}", "issuers.1.spiffe_trust_domain: another issuer has this"],
      ["callers of two issuers that nothing tells apart", "{issuer: i, audience: {callers: a}, jwks: j, name: a}, {issuer: k, audience: {callers: a}, jwks: k}", "issuers.1.name: missing: several issuers"],
      ["agents' tokens that are callers'", "{issuer: i, audience: {callers: a, agents: a}, jwks: j}", "issuers.0.audience.callers: must be none of agents' tokens"],
      ["agents' tokens that are another issuer's callers'", "{issuer: i, audience: {callers: a}, jwks: j}, {issuer: k, audience: {agents: a}, jwks: k}", "issuers.0.audience.callers: must be none of agents' tokens"],
      ["nobody who may ask", "{issuer: i, audience: {agents: a}, jwks: j}", "issuers: give one with an `audience` of `callers`"],
    ] as const).map(([what, issuers, problem]): [string, Record<string, string>, string] => [what, { identity: `{issuers: [${issuers}]}` }, `identity.${problem}`]),
    ["a name with a colon", { identity: issuer('jwks: j, name: "a:b"') }, "identity.issuers.0.name: must match pattern"],
    ["no keys", { identity: issuer("name: a") }, "identity.issuers.0: give one of `keys`, `jwks` and `remote`"],
    ["an empty list of keys", { identity: issuer("keys: []") }, "identity.issuers.0.keys: must NOT have fewer"],
    ["two kinds of keys", { identity: issuer("jwks: j, keys: [{kid: k, algorithm: ES256, file: f}]") }, "identity.issuers.0: give one of `keys`, `jwks` and `remote`"],
    ["the algorithm none", { identity: issuer("keys: [{kid: k, algorithm: none, file: f}]") }, "identity.issuers.0.keys.0.algorithm: must be one of ES256"],
    ["a shared secret's algorithm", { identity: issuer("keys: [{kid: k, algorithm: HS256, file: f}]") }, "identity.issuers.0.keys.0.algorithm: must be one of ES256"],
    ["published keys without algorithms", { identity: issuer('remote: {url: "https://i.example/jwks"}') }, "identity.issuers.0.remote.algorithms: missing"],
    ["published keys of a shared secret's algorithm", { identity: issuer('remote: {url: "https://i.example/jwks", algorithms: [HS256]}') }, "identity.issuers.0.remote.algorithms.0: must be one of ES256"],
    ["published keys asked for too late", { identity: issuer('remote: {url: "https://i.example/jwks", algorithms: [ES256], refresh_ms: 2000, max_age_ms: 1000}') }, "identity.issuers.0.remote.refresh_ms: must be at most"],
    ...["http://i.example/jwks", "http://127.0.0.1.example/jwks", "http://[2001:db8::1]/jwks", "https://user:pass@i.example/jwks", "https://i.example/jwks#keys", "file:///etc/jwks", "ftp://127.0.0.1/jwks", "i.example/jwks", "//i.example/jwks", ""].map(
      (url): [string, Record<string, string>, string] => [`keys published at "${url}"`, { identity: issuer(`remote: {url: "${url}", algorithms: [ES256]}`) }, "identity.issuers.0.remote.url: give an `https` URL"],
    ),
    ["published keys at no place", { identity: issuer("remote: {algorithms: [ES256]}") }, "identity.issuers.0.remote: give one of `url` and `discovery`"],
    ["published keys at two places", { identity: issuer('remote: {url: "https://i.example/jwks", discovery: true, algorithms: [ES256]}') }, "identity.issuers.0.remote: give one of `url` and `discovery`"],
    ["discovery that is off", { identity: issuer("remote: {discovery: false, algorithms: [ES256]}") }, "identity.issuers.0.remote.discovery: must be"],
    ["discovery of an issuer that is no address", { identity: issuer("remote: {discovery: true, algorithms: [ES256]}") }, "identity.issuers.0.issuer: for `discovery` give an `https` URL"],
    ["scopes in no claim", { identity: issuer('jwks: j, scopes_claim: ""') }, "identity.issuers.0.scopes_claim: must"],
    ["scopes in a claim's claim's claim's claim's claim", { identity: issuer("jwks: j, scopes_claim: [a.b.c.d.e]") }, "identity.issuers.0.scopes_claim"],
    ["an empty prefix of scopes", { identity: issuer('jwks: j, scope_prefix: ""') }, "identity.issuers.0.scope_prefix: must match pattern"],
    ["a cap of no scope", { identity: issuer("jwks: j, scopes_max: [decide]") }, "identity.issuers.0.scopes_max.0: must be one of remit:decide"],
    ["an actor in any claim", { identity: issuer("jwks: j, actor_claim: sub") }, "identity.issuers.0.actor_claim: must be one of azp"],
    ["an actor of a JWT-SVID", { identity: issuer("jwks: j, actor_claim: azp, spiffe_trust_domain: example.org") }, "identity.issuers.0.actor_claim: not with `spiffe_trust_domain`"],
    ["a caller's scopes beyond its issuer's", { identity: issuer("jwks: j, scopes_max: [remit:decide]"), callers: "{c: {scopes: [remit:decide, remit:admin]}}" }, "callers.c.scopes.1: is not in `scopes_max` of its issuer"],
    ["all callers of an issuer that there isn't", { identity: issuer("jwks: j, name: desk"), callers: '{"console:*": {}}' }, "callers.console:*: no issuer of callers has the `name` console"],
    ["all callers of an issuer without a name", { identity: issuer("jwks: j"), callers: '{"desk:*": {}}' }, "callers.desk:*: no issuer of callers has the `name` desk"],
    ["a trust domain in capitals", { identity: issuer("jwks: j, spiffe_trust_domain: Example.org") }, "identity.issuers.0.spiffe_trust_domain: must match pattern"],
    ["a trust domain with its scheme", { identity: issuer('jwks: j, spiffe_trust_domain: "spiffe://example.org"') }, "identity.issuers.0.spiffe_trust_domain: must match pattern"],
    ["task tokens without a key", { identity: issuer("jwks: j", "task_tokens: {kid: k}") }, "identity.task_tokens.key: missing"],
    ["task tokens of another algorithm", { identity: issuer("jwks: j", "task_tokens: {kid: k, key: f, algorithm: RS256}") }, "identity.task_tokens.algorithm: unknown key"],
    ["no end of actors", { identity: issuer("jwks: j", "actors_max: 33") }, "identity.actors_max: must be <= 32"],
    ["a bundle without keys to trust", { bundle: "{name: n, path: p, keys: [], state_dir: s}" }, "bundle.keys: must NOT have fewer"],
    ["no state directory", { bundle: "{name: n, path: p, keys: [k]}" }, "bundle.state_dir: missing"],
    ["no facts", { facts: null }, "facts: missing"],
    ["no log", { log: null }, "log: missing"],
    ["every address without TLS", { listen: "{host: 0.0.0.0}" }, "listen.host: anything but a loopback address needs `tls`"],
    ["every IPv6 address without TLS", { listen: '{host: "::"}' }, "listen.host: anything but a loopback address needs `tls`"],
    ["a name that only looks like loopback", { listen: "{host: 127.0.0.1.example}" }, "listen.host: anything but a loopback address needs `tls`"],
    ["any address without the names it answers for", { listen: "{host: 0.0.0.0}", tls }, "hosts: missing"],
    ["TLS without a key", { tls: "{cert: c}" }, "tls.key: missing"],
    ...([
      ["a transmitter without keys", "issuer: i, subjects: [{format: email, is: owner}]", "transmitters.0: give one of `keys`, `jwks` and `remote`"],
      ["a transmitter without subjects", "issuer: i, jwks: j", "transmitters.0.subjects: missing"],
      ["names of nobody's issuer", "issuer: i, jwks: j, subjects: [{format: iss_sub, is: agent}]", "transmitters.0.subjects.0: give its `issuer`"],
      ["credentials of nobody's issuer", "issuer: i, jwks: j, subjects: [{format: email, is: credential}]", "transmitters.0.subjects.0: give its `issuer`"],
      ["a format that can't be named by", "issuer: i, jwks: j, subjects: [{format: ip-addresses, is: agent}]", "transmitters.0.subjects.0.format: must be one of"],
      ["a poll of somebody's network", 'issuer: i, jwks: j, subjects: [{format: email, is: owner}], poll: {url: "http://10.0.0.1/poll"}', "transmitters.0.poll.url: give an `https` URL"],
      ["a poll whose waits shrink", 'issuer: i, jwks: j, subjects: [{format: email, is: owner}], poll: {url: "https://t.example/", retry_ms: 20, retry_max_ms: 10}', "transmitters.0.poll.retry_ms: must be at most"],
      ["a verification over plain HTTP", 'issuer: i, jwks: j, subjects: [{format: email, is: owner}], verify: {url: "http://t.example/", stream_id: s}', "transmitters.0.verify.url: give an `https` URL"],
      ["two transmitters of one issuer", "issuer: i, jwks: j, subjects: [{format: email, is: owner}]}, {name: u, issuer: i, jwks: j, subjects: [{format: email, is: owner}]", "transmitters.1.issuer: another transmitter has this issuer"],
      ["a name with a plus", 'issuer: i, jwks: j, subjects: [{format: email, is: owner}]}, {name: "a+tokens", issuer: k, jwks: j, subjects: [{format: email, is: owner}]', "transmitters.1.name: must match pattern"],
    ] as const).map(([what, transmitter, problem]): [string, Record<string, string>, string] => [what, { security_events: `{dir: d, receiver: {audience: a, transmitters: [{name: t, ${transmitter}}]}}` }, `security_events.receiver.${problem}`]),
    ["a push to a host by plain HTTP", { security_events: '{dir: d, transmitter: {issuer: "https://r.example", key: k, kid: k, push_endpoints: ["http://sink.example/"]}}' }, "security_events.transmitter.push_endpoints.0: give an `https` URL"],
    ["an issuer of events with a slash at its end", { security_events: '{dir: d, transmitter: {issuer: "https://r.example/", key: k, kid: k}}' }, "security_events.transmitter.issuer: must match pattern"],
    ["a path that no file can have", { log: '{dir: "a\\0b"}' }, "log.dir: must match pattern"],
    ["a published folder within the log's", { log: "{dir: log, publish: {dir: log/public}}" }, "log.publish.dir: name a folder apart from `log.dir`"],
    ["a published folder with the store in it", { facts: "{store: pub/store}", log: "{dir: log, publish: {dir: pub}}" }, "log.publish.dir: name a folder that has nothing of `facts.store` in it"],
    ["a published folder around the log's", { log: "{dir: a/log, publish: {dir: a}}" }, "log.publish.dir: name a folder apart from `log.dir`"],
    ["what only one format has", { export: '[{name: a, url: "https://a.example", format: ocsf, data: ocsf}]' }, "export.0.data: is for `format` cloudevents, json_array, splunk_hec, syslog"],
    ...([
      ["plain HTTP", "url: 'http://s3.example/audit'", "url: give an `https` URL"],
      ["a password in its URL", "url: 'https://id:key@s3.example/audit'", "url: give an `https` URL"],
      ["a query", "url: 'https://s3.example/audit?versionId=1'", "url: give a path of letters"],
      ["a path that is signed otherwise than sent", "url: 'https://s3.example/au%2Fdit'", "url: give a path of letters"],
      ["a region that would end a scope", "url: 'https://s3.example/audit', region: 'a/b'", "region: must match pattern"],
      ["waits that shrink", "url: 'https://s3.example/audit', retry_ms: 20, retry_max_ms: 10", "retry_ms: must be at most"],
      ["a name that leaves its folder", "name: '../a', url: 'https://s3.example/audit'", "name: must match pattern"],
      ["a secret in the configuration", "url: 'https://s3.example/audit', aws_secret_access_key: k", "aws_secret_access_key: unknown key"],
    ] as const).map(([what, bucket, problem]): [string, Record<string, string>, string] => [`a bucket with ${what}`, { upload: `[{${bucket.startsWith("name") ? "" : "name: a, "}${bucket}}]` }, `upload.0.${problem}`]),
    ...([
      ["plain TCP to another machine", "url: 'syslog+tcp://siem.example:601', format: cef", "url: give `syslog+tls://host:port`"],
      ["a path", "url: 'syslog+tls://siem.example/a', format: cef", "url: give `syslog+tls://host:port`"],
      ["a password", "url: 'syslog+tls://a:b@siem.example', format: cef", "url: give `syslog+tls://host:port`"],
      ["another transport", "url: 'syslog+udp://127.0.0.1:514', format: cef", "url: give `syslog+tls://host:port`"],
      ["a form that it doesn't know", "url: 'syslog+tls://siem.example', format: ocsf", "format: a receiver of syslog takes cef or syslog"],
      ["a token", "url: 'syslog+tls://siem.example', format: cef, token_file: t", "token_file: syslog has none"],
      ["compression", "url: 'syslog+tls://siem.example', format: cef, gzip: true", "gzip: syslog has no compression"],
      ["half a certificate", "url: 'syslog+tls://siem.example', format: cef, tls: {cert: c}", "tls: give both `cert` and `key`"],
      ["certificates without TLS", "url: 'syslog+tcp://127.0.0.1', format: cef, tls: {ca: c}", "tls: is for a `syslog+tls` URL, or for `kafka`"],
      ["certificates of HTTP", "url: 'https://siem.example', format: ocsf, tls: {ca: c}", "tls: is for a `syslog+tls` URL, or for `kafka`"],
      ["a number of HTTP", "url: 'https://siem.example', format: ocsf, enterprise_number: 1", "enterprise_number: is for a receiver of syslog"],
      ["messages over HTTP", "url: 'https://siem.example', format: syslog", "url: give a `syslog+tls` URL"],
    ] as const).map(([what, sink, problem]): [string, Record<string, string>, string] => [`a receiver of syslog with ${what}`, { export: `[{name: a, ${sink}}]` }, `export.0.${problem}`]),
    ...([
      ["no topic", "kafka: {brokers: ['127.0.0.1:9092']}, format: ocsf", "kafka.topic: missing"],
      ["an address without a port", "kafka: {brokers: ['127.0.0.1'], topic: t}, format: ocsf", "kafka.brokers.0: must match pattern"],
      ["a port that is none", "kafka: {brokers: ['127.0.0.1:70000'], topic: t}, format: ocsf", "kafka.brokers.0: a port is at most 65535"],
      ["another machine without TLS", "kafka: {brokers: ['127.0.0.1:1', 'k.example:9092'], topic: t}, format: ocsf", "kafka.brokers.1: anything but a loopback address needs `tls`"],
      ["a name that no topic has", "kafka: {brokers: ['127.0.0.1:1'], topic: 'a/b'}, format: ocsf", "kafka.topic: must match pattern"],
      ["a form of requests", "kafka: {brokers: ['127.0.0.1:1'], topic: t}, format: splunk_hec", "format: Kafka takes json_lines, ocsf, cloudevents, cef"],
      ["a token", "kafka: {brokers: ['127.0.0.1:1'], topic: t}, format: ocsf, token_file: t", "token_file: Kafka has none"],
      ["an address as well", "kafka: {brokers: ['127.0.0.1:1'], topic: t}, format: ocsf, url: 'https://a.example'", "url: give this or `kafka`"],
      ["nothing at all", "format: ocsf", "url: give this or `kafka`"],
      ["half a certificate", "kafka: {brokers: ['127.0.0.1:1'], topic: t}, format: ocsf, tls: {key: k}", "tls: give both `cert` and `key`"],
      ["its password in the configuration", "kafka: {brokers: ['127.0.0.1:1'], topic: t, sasl: {mechanism: PLAIN, username: u, password_file: f, password: p}}, format: ocsf", "kafka.sasl.password: unknown key"],
    ] as const).map(([what, sink, problem]): [string, Record<string, string>, string] => [`a topic of Kafka with ${what}`, { export: `[{name: a, ${sink}}]` }, `export.0.${problem}`]),
    ["a sink with a token and headers", { export: '[{name: a, url: "https://a.example/b", format: ocsf, token_file: t, headers_file: h}]' }, "export.0.headers_file: put the token's header in here, or leave it out"],
    ["telemetry to another machine without TLS", { telemetry: '{url: "http://collector.example:4318"}' }, "telemetry.url: give an `https` URL, or an `http` one of a loopback address, without a query"],
    ["telemetry to an address with a query", { telemetry: '{url: "https://collector.example/?key=1"}' }, "telemetry.url: give an `https` URL, or an `http` one of a loopback address, without a query"],
    ["traces over gRPC on every address without TLS", { observe: "{otlp: {mapping: m.yaml, grpc: {host: 0.0.0.0}}}" }, "observe.otlp.grpc.host: anything but a loopback address needs `tls`"],
    ["two buckets of one name", { upload: '[{name: a, url: "https://a.example/b"}, {name: a, url: "https://a.example/c"}]' }, "upload.1.name: another bucket has this name"],
    ["a limit below its bound", { limits: "{depth_max: 3}" }, "limits.depth_max: must be >= 4"],
    ["a limit above its bound", { limits: "{body_bytes_max: 1048577}" }, "limits.body_bytes_max: must be <= 1048576"],
    ["a limit as text", { limits: '{body_bytes_max: "64kb"}' }, "limits.body_bytes_max: must be integer"],
    ["a limit that is no whole number", { limits: "{body_ms: 100.5}" }, "limits.body_ms: must be integer"],
    ["a limit that is not a number", { limits: "{body_ms: .nan}" }, "a number must be finite"],
    ["a limit without end", { limits: "{body_ms: .inf}" }, "a number must be finite"],
    ["an integer that a double doesn't hold", { limits: "{body_ms: 9007199254740993}" }, "an integer must be within"],
    ["a port out of range", { listen: "{port: 65536}" }, "listen.port: must be <= 65535"],
    ["a caller without a name", { callers: '{"": {agents: [a]}}' }, "callers.: the key must match pattern"],
    ["a caller with too long a name", { callers: `{${"a".repeat(257)}: {agents: [a]}}` }, ": the key must match pattern"],
    ["a caller of two lines, whatever it may do", { callers: '{"a\\nb": 5}' }, ": the key must match pattern"],
    ["a sensor without a name", { observe: '{sensors: {"": {}}}' }, "observe.sensors.: the key must match pattern"],
    ["subjects of no type", { authzen: '{identifier: "https://a.example", subjects: {"": {}}}' }, "authzen.subjects.: the key must match pattern"],
    ["another action's verb that is no word", { authzen: '{identifier: "https://a.example", subjects: {user: {}}, actions: {"*": "no verb"}}' }, "authzen.actions.*: must match pattern"],
    ["a verb for another action that is none", { authzen: '{identifier: "https://a.example", subjects: {user: {}}, actions: {"*": [use]}}' }, "authzen.actions.*: must be string"],
    ["a caller's unknown key", { callers: "{gateway: {agent: [a]}}" }, "callers.gateway.agent: unknown key"],
    ["a caller's agent that is no name", { callers: '{gateway: {agents: ["*"]}}' }, "callers.gateway.agents.0: must match pattern"],
    ["a host with a port's scheme", { hosts: '["https://pdp.example"]' }, "hosts.0: must match pattern"],
  ];
  for (const [what, changes, wanted] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => parseConfig(text(changes), "remit.yaml")).to.throw(wanted);
    });
  }

  const unreadable: [string, string | Buffer, string][] = [
    ["a key twice", "log: {dir: a}\nlog: {dir: b}\n", "remit.yaml:2: "],
    ["an anchor", "log: &x {dir: a}\n", "remit.yaml:1: anchors are not read"],
    ["an alias", "log: &x {dir: a}\nfacts: *x\n", "remit.yaml:1: anchors are not read"],
    ["a tag", "log: !!map {dir: a}\n", "remit.yaml:1: tags are not read"],
    ["an unknown tag", "log: !env LOG\n", "remit.yaml:1: "],
    ["two documents", "log: {dir: a}\n---\nlog: {dir: b}\n", "remit.yaml:"],
    ["an unfinished list", "log: [a\n", "remit.yaml:"],
    ["a tab for indentation", "log:\n\tdir: a\n", "remit.yaml:"],
    ["a list", "- log\n", "remit.yaml:1: must be object"],
    ["text", "log\n", "remit.yaml:1: must be object"],
    ["nothing", "", "remit.yaml: identity: missing"],
    ["a character that ends texts elsewhere", "log: {dir: a\0b}\n", "remit.yaml:1: the character U+0000 is read only as an escape"],
    ["a character that rings a bell", "log:\n  dir: a\x07\n", "remit.yaml:2: the character U+0007 is read only as an escape"],
    ["UTF-16 without its mark", Buffer.from("log: {}\n", "utf16le"), "remit.yaml:1: the character U+0000"],
    ["UTF-16", Buffer.from("\ufefflog: {}\n", "utf16le"), "remit.yaml:1: only UTF-8 is read"],
    ["Latin-1", Buffer.from("log:\n  dir: caf\xe9\n", "latin1"), "remit.yaml:2: only UTF-8 is read"],
    ["Latin-1 in a comment", Buffer.from("log: {dir: a}\n\n# caf\xe9", "latin1"), "remit.yaml:3: only UTF-8 is read"],
  ];
  for (const [what, yaml, wanted] of unreadable) {
    it(`refuses ${what}, naming file and line`, () => {
      expect(() => parseConfig(yaml, "remit.yaml")).to.throw(wanted);
    });
  }

  it("takes a byte order mark, and lines that end as on Windows", () => {
    const written = Buffer.from(`\ufeff${text().replaceAll("\n", "\r\n")}`);
    expect(parseConfig(written, "remit.yaml")).to.deep.equal(parseConfig(text(), "remit.yaml"));
  });

  it("names the line of what it refuses", () => {
    expect(() => parseConfig(text({ listen: "\n  host: 127.0.0.1\n  port: 99999" }), "remit.yaml")).to.throw(
      "remit.yaml:7: listen.port: must be <= 65535",
    );
  });

  it("has a reference that names every key with default, bounds, unit and meaning", () => {
    const reference = configReference();
    const rows = reference.split("\n").filter((row) => row.startsWith("| `"));
    for (const row of rows) expect(row.split("|")[4]?.trim(), row).not.to.equal("");
    expect(reference).to.contain(
      "| `limits.body_bytes_max` | `65536` | 1024 to 1048576 bytes | Body of one request, and one action of a batch |",
    );
    expect(reference).to.contain("| `identity.issuers[].issuer` | required |");
    expect(reference).to.contain("| `bundle.keys` | required |");
    expect(reference).to.contain("| `behavior.enabled` | `true` |");
    expect(reference).to.contain("| `export[].gzip` | `false` |");
    expect(reference).to.contain("| `security_events.transmitter.push_endpoints` | `[]` |");
    expect(reference).to.contain("| `identity.issuers[].keys[].kid` | required |");
  });
});

describe("the operational log", () => {
  it("is one JSON line an entry, whatever the text", () => {
    const stream = new PassThrough();
    const log = logger({ wall: () => Date.UTC(2026, 2, 3), monotonic: () => 0 }, stream);
    log.warn('two\nlines "quoted" \u001b[31m', { code: "log_unavailable", detail: "EIO\r\n" });
    log.info("next");
    const lines = (stream.read() as Buffer).toString().split("\n");
    expect(lines).to.have.length(3);
    expect(JSON.parse(lines[0] ?? "")).to.deep.equal({
      time: "2026-03-03T00:00:00.000Z",
      level: "warn",
      message: 'two\nlines "quoted" \u001b[31m',
      code: "log_unavailable",
      detail: "EIO\r\n",
    });
    expect(lines[0]).not.to.contain("\u001b");
  });
});
