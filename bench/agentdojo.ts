/**
 * Data of AgentDojo's suites, and of other benchmarks, for `outside.ts`: made from what their authors publish. The package is installed
 * once, at the version below, into a cache outside the tree, and so are the sources of a benchmark that is no package; where they can't be
 * had, this is said, and the program ends well.
 */
import { existsSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { asset } from "../src/system/paths.js";
import { pythonWith, runProgram } from "./compat/row.js";
import { namesOf, readOptions } from "./options.js";

const PACKAGE = "agentdojo==0.1.35";
const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", "benchmarks");

interface Published {
  suites: readonly string[];
  /** Without a word. */
  usual: readonly string[];
  /** Where its sources are, unless it is the package itself, and what of the folder is needed, unless it is the whole. */
  sources: { repository: string; commit: string; folder: string; only?: readonly string[] } | null;
  /** For one that isn't made on the package. */
  converter?: string;
}

/** One of each of its ten agents. */
const ASB_SUITES = Array.from({ length: 10 }, (_, i) => `asb_${String(i + 1).padStart(2, "0")}`);

/** One of each of its domains. */
const TAU2_SUITES = ["tau2_collab", "tau2_infra_loadshed", "tau2_mail_rag_phishing", "tau2_output_handling"];

const BENCHMARKS: Readonly<Record<string, Published>> = {
  agentdojo: { suites: ["banking", "slack", "travel", "workspace"], usual: ["slack", "travel"], sources: null },
  craibench: {
    suites: ["chain", "crypto_trading", "dao_nft"],
    usual: ["chain", "crypto_trading", "dao_nft"],
    sources: {
      repository: "https://github.com/AthaSSiN/CrAIBench",
      commit: "0e3c1903489504656a81f73e931d671020f6ca08",
      folder: join("src", "agentdojo"),
    },
  },
  daily_admin: {
    suites: ["daily_admin"],
    usual: ["daily_admin"],
    sources: {
      repository: "https://github.com/LQ458/daily-admin-agent-security-eval",
      commit: "f875b9e1bbe27139424fce9c5578de7e545dd3d2",
      folder: "daily_admin_benchmark",
    },
  },
  mcp_harness: {
    suites: ["mcp_harness"],
    usual: ["mcp_harness"],
    sources: {
      repository: "https://github.com/Nishi46/PromptInjectHarness",
      commit: "499be2939d0636bf77d1631304cb5fbc6968f25c",
      folder: "src",
    },
    converter: "mcp_harness.py",
  },
  asb: {
    suites: ASB_SUITES,
    usual: ASB_SUITES,
    // Progent's authors' copy: its data is that of ASB's own repository, of its commit 1f561dcc.
    sources: {
      repository: "https://github.com/sunblaze-ucb/progent",
      commit: "8a8eb894b9d568a32b4e58252fea85b47f789c77",
      folder: join("asb", "data"),
    },
    converter: "asb.py",
  },
  slambench: {
    suites: ["slambench"],
    usual: ["slambench"],
    sources: {
      repository: "https://github.com/jingxuxie/trusted_proxy",
      commit: "cb8ac5bb0a26f2583666ff9b5d99a2ac7578e1ba",
      folder: ".",
    },
    converter: "slambench.py",
  },
  finagent: {
    suites: ["finagent"],
    usual: ["finagent"],
    sources: {
      repository: "https://github.com/nac7/finagent-redteam",
      commit: "916b7580b7dfca0cc5d0ca3b710894534dcc3d29",
      folder: "src",
    },
    converter: "finagent.py",
  },
  security_sandbox: {
    suites: ["security_sandbox"],
    usual: ["security_sandbox"],
    sources: {
      repository: "https://github.com/X-PG13/agent-security-sandbox",
      commit: "e1971e99483a1f66756eaa766f23187387cb5eec",
      folder: ".",
    },
    converter: "security_sandbox.py",
  },
  tau_retail: {
    suites: ["tau_retail"],
    usual: ["tau_retail"],
    // The attack is DoomArena's, of its commit b80902f1: a text, which the converter says.
    sources: {
      repository: "https://github.com/sierra-research/tau-bench",
      commit: "59a200c6d575d595120f1cb70fea53cef0632f6b",
      folder: "tau_bench",
    },
    converter: "tau_retail.py",
  },
  agentic_redteam: {
    suites: ["agentic_redteam"],
    usual: ["agentic_redteam"],
    sources: {
      repository: "https://github.com/Alkur123/agentic-redteam-benchmark",
      commit: "96c42abe1111c5595881c53701b5d512d23344a8",
      folder: join("v0.1", "samples"),
    },
    converter: "agentic_redteam.py",
  },
  tau2_security: {
    suites: TAU2_SUITES,
    usual: TAU2_SUITES,
    // A laboratory's domains beside tau2-bench's own, whose data is large.
    sources: {
      repository: "https://github.com/ai-security-lab-itmo/tau2-bench",
      commit: "f6a819848eae7b8535c7023de96ac5d08a048f0a",
      folder: ".",
      only: ["src/tau2", ...TAU2_SUITES.map((suite) => `data/tau2/domains/${suite.replace("tau2_", "")}`)],
    },
    converter: "tau2_security.py",
  },
};

const {
  folder,
  benchmark: wanted,
  suites,
  from,
} = readOptions("agentdojo", {
  about: "Makes the data of AgentDojo's suites from its package, and of other benchmarks, for outside.js --folder.",
  options: {
    folder: { says: "folder in which a folder with the benchmark's name is written; if left out, one in the cache", default: CACHE },
    benchmark: { says: `benchmark to convert: ${Object.keys(BENCHMARKS).join(" or ")}`, default: "agentdojo" },
    suites: { says: "suites to convert, separated by commas; the usual ones if left out", takes: "text" },
    from: { says: "git repository of the benchmark's sources, for one that is no package; if left out, its authors'", takes: "text" },
  },
  examples: ["", "--suites banking,workspace --folder ../data", "--benchmark craibench", "--benchmark craibench --from ../CrAIBench"],
});
const [benchmark = ""] = namesOf("benchmark", wanted, Object.keys(BENCHMARKS));
const published: Published = BENCHMARKS[benchmark] ?? { suites: [], usual: [], sources: null };
const names = suites === undefined ? published.usual : namesOf("suites", suites, published.suites);

const python = await pythonWith("agentdojo", [PACKAGE]);
const sources = published.sources === null ? "" : await checkout(published.sources);
if (python === null) console.log(`Skipped: no Python with ${PACKAGE}.`);
else if (sources === null) console.log(`Skipped: ${benchmark}'s sources can't be had (--from says from where).`);
else {
  const { code, out, error } = await runProgram(python, [
    asset("bench", "outside", published.converter ?? "agentdojo_suites.py"),
    join(folder, benchmark),
    sources,
    ...names,
  ]);
  process.stdout.write(out);
  if (code === 0) console.log(`Next: node dist/bench/outside.js --folder ${folder}`);
  else {
    console.error(error.trim());
    process.exitCode = 1;
  }
}

/** Returns the folder of the sources at the commit above; null: they can't be had. */
async function checkout({ repository, commit, folder, only = [folder] }: NonNullable<Published["sources"]>): Promise<string | null> {
  const into = join(CACHE, "sources", `${benchmark}-${commit.slice(0, 12)}`);
  const found = join(into, folder);
  if (existsSync(found)) return found;
  rmSync(into, { recursive: true, force: true });
  const steps = [
    ["clone", "--quiet", "--no-checkout", from ?? repository, into],
    ["-C", into, "checkout", "--quiet", commit, "--", ...only],
  ];
  for (const step of steps) {
    if ((await runProgram("git", step, { GIT_TERMINAL_PROMPT: "0" })).code === 0) continue;
    rmSync(into, { recursive: true, force: true });
    return null;
  }
  return found;
}
