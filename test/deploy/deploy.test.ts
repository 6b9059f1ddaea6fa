/** What `deploy/` has, held by the real tools where this machine has them, and by the project's own parts where it doesn't. */
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { parse } from "yaml";
import { schemas } from "../../src/system/schemas.js";
import { parseConfig } from "../../src/system/config.js";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";
import { makeTlsFiles } from "../tls_files.js";

const at = (...parts: string[]): string => asset("deploy", ...parts);
const text = (...parts: string[]): string => readFileSync(at(...parts), "utf8");
const run = promisify(execFile);

/** Runs a tool in a folder of `deploy/`; skips aloud where it isn't installed. */
function tool(context: Mocha.Context, name: string, folder: string, ...args: string[]): { status: number | null; out: string } {
  const variable = process.env[`${name.toUpperCase().replaceAll("-", "_")}_BIN`];
  const { status, stdout, stderr, error } = spawnSync(variable ?? name, args, { cwd: at(folder), encoding: "utf8" });
  if (error !== undefined) skip(context, `no ${name}`);
  return { status, out: stdout + stderr };
}

interface Alert {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}
const alerts = (): Alert[] =>
  (parse(text("prometheus", "alerts.yaml")) as { groups: { rules: Alert[] }[] }).groups.flatMap(({ rules }) => rules);

/** Names of all metrics that the service has, as its source gives them. */
function metricNames(): Set<string> {
  const source = readFileSync(asset("src", "http", "metrics.ts"), "utf8");
  const whole = [...source.matchAll(/"(remit_[a-z_]+)"/g)].map(([, name = ""]) => name);
  const security = [...source.matchAll(/\bof\(\s*(?:Counter|Gauge),\s*"([a-z_]+)"/g)].map(([, name]) => `remit_security_${name}`);
  return new Set([...whole, ...security]);
}

function unknownMetrics(expressions: readonly string[]): string[] {
  const known = metricNames();
  const named = expressions.flatMap((expression) => expression.match(/\bremit_[a-z_]+/g) ?? []);
  expect(named.length).to.be.above(10);
  return named.filter((name) => !known.has(name.replace(/_(?:bucket|count|sum)$/, "")));
}

describe("what deploys the service", () => {
  describe("alerts for Prometheus", () => {
    it("are of metrics that there are", () => {
      expect(unknownMetrics(alerts().map(({ expr }) => expr))).to.deep.equal([]);
      expect(unknownMetrics([...alerts().map(({ expr }) => expr), "remit_log_helthy == 0"])).to.deep.equal(["remit_log_helthy"]);
    });

    it("say whom they wake and what to do", () => {
      for (const { alert, labels, annotations } of alerts()) {
        expect(["page", "ticket"], alert).to.include(labels.severity);
        expect(annotations.summary.length, alert).to.be.above(10);
        expect(annotations.description.length, alert).to.be.above(20);
      }
    });

    it("each have a case in which they fire and one in which they are silent", () => {
      const { tests } = parse(text("prometheus", "alerts_test.yaml")) as { tests: { name: string }[] };
      expect(tests.map(({ name }) => name).sort()).to.deep.equal(
        alerts()
          .flatMap(({ alert }) => [`${alert} fires`, `${alert} is silent`])
          .sort(),
      );
    });

    it("fire and are silent as those cases say, by Prometheus itself", function () {
      const checked = tool(this, "promtool", "prometheus", "check", "rules", "alerts.yaml");
      expect(checked.out).to.contain(`${alerts().length} rules found`);
      const tested = tool(this, "promtool", "prometheus", "test", "rules", "alerts_test.yaml");
      expect([tested.status, tested.out]).to.satisfy(([status]: [number]) => status === 0, tested.out);
    });

    it("come with a configuration that Prometheus takes", function () {
      const checked = tool(this, "promtool", "prometheus", "check", "config", "--syntax-only", "scrape.yaml");
      expect(checked.status, checked.out).to.equal(0);
    });
  });

  it("has a dashboard of metrics that there are, without two panels in one place", () => {
    const { panels } = JSON.parse(text("grafana", "remit.json")) as {
      panels: { id: number; gridPos: { x: number; y: number; w: number; h: number }; targets: { expr: string }[] }[];
    };
    expect(unknownMetrics(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))).to.deep.equal([]);
    expect(new Set(panels.map(({ id }) => id)).size).to.equal(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).to.equal(cells.length);
  });

  it("has a unit of systemd that gives the service little", function () {
    const { out } = tool(this, "systemd-analyze", "systemd", "security", "--offline=yes", "remit.service");
    const [, exposure] = /Overall exposure level for remit\.service: ([\d.]+)/.exec(out) ?? [];
    if (exposure === undefined) skip(this, "this systemd judges no files");
    expect(Number(exposure)).to.be.below(2);
    // What it can't know here is where the program is.
    const wrong = tool(this, "systemd-analyze", "systemd", "verify", "./remit.service").out.split("\n");
    expect(wrong.filter((line) => line.includes("remit.service") && !/\/opt\/remit\/\S+ is not executable/.test(line))).to.deep.equal([]);
  });

  describe("a container", () => {
    const lines = text("container", "Containerfile")
      .replaceAll("\\\n", " ")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    const last = lines.slice(lines.map((line) => line.startsWith("FROM ")).lastIndexOf(true));
    const of = (instruction: string): string[] => last.filter((line) => line.startsWith(`${instruction} `));

    it("runs as nobody, gets signals itself, says how it is, and has no compiler", () => {
      expect(of("USER")).to.deep.equal(["USER 65532:65532"]);
      expect(of("ENTRYPOINT")[0]).to.match(/^ENTRYPOINT \["node", "[^"]+\/service_main\.js"\]$/);
      expect(of("CMD")[0]).to.match(/^CMD \[/);
      expect(of("HEALTHCHECK")[0]).to.contain('CMD ["node", "/opt/remit/healthy.mjs"]');
      expect(of("FROM")[0]).to.match(/-slim$/);
      expect(of("RUN").concat(of("ADD"))).to.deep.equal([]);
    });

    it("has a folder for its state that is its user's, so that a new volume is too", () => {
      const made = last.indexOf("COPY --from=installed --chown=65532:65532 /state /var/lib/remit");
      expect(made).to.be.within(0, last.indexOf("WORKDIR /var/lib/remit") - 1);
      expect(last.indexOf('VOLUME ["/var/lib/remit"]')).to.be.greaterThan(made);
      expect(lines.find((line) => line.startsWith("RUN "))).to.contain("mkdir -p /state");
    });

    it("takes nothing by a name that moves freely, and only files that there are", () => {
      for (const line of lines.filter((one) => one.startsWith("FROM "))) expect(line).to.match(/^FROM docker\.io\/library\/node:\d+-\w+/);
      const copied = lines.flatMap((line) => /^COPY (?!--from)(\S+) /.exec(line)?.[1] ?? []);
      expect(copied).to.deep.equal(["dist/packages/service", "deploy/container/healthy.mjs"]);
      expect(readdirSync(at("container"))).to.include("healthy.mjs");
      expect(readFileSync(asset("packages", "service", "package.json"), "utf8")).to.contain("dist/src/cli/service_main.js");
    });

    it("is built by the builder of this machine", function () {
      this.timeout(600_000);
      const { status, out } = tool(this, "buildah", "..", "build", "-f", "deploy/container/Containerfile", "-t", "remit-test", ".");
      if (/initializing source|dial tcp|no such host|connection refused|unable to copy from source/.test(out))
        skip(this, "no registry of images can be reached");
      expect(status, out).to.equal(0);
    });

    const answers: [what: string, status: number | null, code: number][] = [
      ["a service that is well", 200, 0],
      ["one that isn't", 503, 1],
      ["nobody there", null, 1],
    ];
    for (const [what, status, code] of answers) {
      it(`says so of ${what}`, async () => {
        const hosts: unknown[] = [];
        const server = createServer(({ headers }, response) => {
          hosts.push(headers.host);
          response.writeHead(status ?? 500).end();
        }).listen(0, "127.0.0.1");
        await once(server, "listening");
        const { port } = server.address() as AddressInfo;
        if (status === null) await new Promise((done) => server.close(done));
        try {
          const env = { ...process.env, REMIT_HEALTH_URL: `http://127.0.0.1:${port}`, REMIT_HEALTH_HOST: "remit" };
          const ended = await run(process.execPath, [at("container", "healthy.mjs")], { env }).then(
            () => 0,
            (error: unknown) => (error as { code: number }).code,
          );
          expect([ended, hosts]).to.deep.equal([code, status === null ? [] : ["remit"]]);
        } finally {
          server.close();
        }
      });
    }

    it("says so over TLS, whatever name the certificate has", async function () {
      const folder = mkdtempSync(join(tmpdir(), "remit-healthy-"));
      const made = makeTlsFiles(folder);
      if (made === null) skip(this, "no openssl");
      const server = createHttpsServer(made, (_request, response) => response.end()).listen(0, "127.0.0.1");
      await once(server, "listening");
      try {
        const env = { ...process.env, REMIT_HEALTH_URL: `https://127.0.0.1:${(server.address() as AddressInfo).port}` };
        await run(process.execPath, [at("container", "healthy.mjs")], { env });
      } finally {
        server.close();
        rmSync(folder, { recursive: true, force: true });
      }
    });
  });

  it("has a compose file that gives the container no more than it needs", () => {
    const { services } = parse(text("compose.yaml")) as { services: { remit: Record<string, unknown> } };
    expect(services.remit).to.include({ read_only: true, user: "65532:65532" });
    expect(services.remit["cap_drop"]).to.deep.equal(["ALL"]);
    expect(services.remit["ports"]).to.deep.equal(["127.0.0.1:8181:8181"]);
    expect(services.remit["volumes"]).to.deep.equal(["./remit:/etc/remit:ro", "state:/var/lib/remit"]);
  });

  describe("a chart for Helm", () => {
    const CONFIG = {
      ...{ listen: { host: "0.0.0.0", port: 8181 }, hosts: ["remit"], tls: { cert: "../secrets/tls.crt", key: "../secrets/tls.key" } },
      identity: {
        issuers: [{ issuer: "https://i.example", audience: { callers: "remit" }, remote: { discovery: true, algorithms: ["RS256"] } }],
      },
      bundle: { name: "b", path: "../bundle/b.tar.gz", keys: ["../secrets/b.pub.pem"], state_dir: "/var/lib/remit/state" },
      ...{ facts: { store: "/var/lib/remit/store" }, log: { dir: "/var/lib/remit/log" } },
    };
    let folder: string;
    let values: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), "remit-chart-"));
      values = join(folder, "values.json");
      const more = {
        networkPolicy: { enabled: true, from: [{ podSelector: {} }] },
        serviceMonitor: { enabled: true },
        bundleConfigMap: "remit-bundle",
      };
      writeFileSync(values, JSON.stringify({ config: CONFIG, ...more }));
    });
    after(() => {
      rmSync(folder, { recursive: true, force: true });
    });

    it("has values that its own schema takes, and refuses a service that nobody could reach", () => {
      const isValues = schemas().compile<object>(
        JSON.parse(text("helm", "remit", "values.schema.json").replace(/.*\$schema.*\n/, "")) as object,
      );
      const given = parse(text("helm", "remit", "values.yaml")) as object;
      expect(isValues({ ...given, config: CONFIG })).to.equal(true);
      for (const wrong of [
        given,
        { ...given, config: { ...CONFIG, listen: { host: "127.0.0.1" } } },
        { ...given, config: CONFIG, replicas: 3 },
      ])
        expect(isValues(wrong)).to.equal(false);
    });

    it("is one that Helm takes", function () {
      const { status, out } = tool(this, "helm", "helm", "lint", "--strict", "remit", "--values", values);
      expect(status, out).to.equal(0);
    });

    it("renders one pod, without privileges, that serves by the very configuration", function () {
      const { status, out } = tool(this, "helm", "helm", "template", "desk", "remit", "--kube-version", "1.31.0", "--values", values);
      expect(status, out).to.equal(0);
      const objects = out.split(/^---$/m).map((one) => parse(one) as Kubernetes | null);
      const kind = (name: string): Kubernetes => objects.find((one) => one?.kind === name) ?? expect.fail(`no ${name}`);
      expect(objects.flatMap((one) => one?.kind ?? []).sort()).to.deep.equal([
        ...["ConfigMap", "NetworkPolicy", "Service", "ServiceMonitor", "StatefulSet"],
      ]);
      const { replicas, template } = kind("StatefulSet").spec;
      const [container] = template.spec.containers;
      expect([replicas, template.spec.automountServiceAccountToken, template.spec.securityContext.runAsNonRoot]).to.deep.equal([
        1,
        false,
        true,
      ]);
      expect(container?.securityContext).to.deep.equal({
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
      });
      expect(container?.image).to.equal("remit:0.1.0");
      const config = kind("ConfigMap").data["remit.yaml"] ?? "";
      const read = parseConfig(config, "/etc/remit/config/remit.yaml");
      expect([read.listen.host, read.tls?.cert, read.bundle.path]).to.deep.equal([
        "0.0.0.0",
        "/etc/remit/secrets/tls.crt",
        "/etc/remit/bundle/b.tar.gz",
      ]);
      const mounted = new Set(container?.volumeMounts.map(({ mountPath }) => mountPath));
      expect([...mounted].sort()).to.deep.equal(["/etc/remit/bundle", "/etc/remit/config", "/etc/remit/secrets", "/var/lib/remit"]);
    });
  });
});

interface Kubernetes {
  kind: string;
  data: Record<string, string>;
  spec: {
    replicas: number;
    template: {
      spec: {
        automountServiceAccountToken: boolean;
        securityContext: { runAsNonRoot: boolean };
        containers: { image: string; securityContext: object; volumeMounts: { mountPath: string }[] }[];
      };
    };
  };
}
