import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

export interface Project {
  readonly dir: string;
  path(name: string): string;
  write(name: string, content: string): Promise<void>;
}

/** A folder with real files, removed when the test is over. */
export async function createProject(files: Readonly<Record<string, string>> = {}): Promise<Project> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "gatewright-config-")));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const project: Project = {
    dir,
    path: (name) => join(dir, name),
    async write(name, content) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), content);
    },
  };
  for (const [name, content] of Object.entries({ ...ADAPTER, ...files })) await project.write(name, content);
  return project;
}

/** An adapter of the project's own, so that these tests do not depend on the built-in ones. */
const ADAPTER = {
  "adapters/plain.ts": `
    import { defineAdapter } from "gatewright";
    export default defineAdapter({ name: "plain", provider: "plain", auth: () => ({}), operations: {} });
  `,
};

/** A config in TypeScript that says only what the test is about. */
export function configSource(body: string, head = ""): string {
  return `
import { defineGatewayPlugin, env } from "gatewright";
${head}
export default {
  backends: { local: { adapter: "plain", baseURL: "http://127.0.0.1:1", models: ["m"] } },
  ${body}
};
`;
}
