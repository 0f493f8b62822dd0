import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Answers } from "./answers.ts";
import { renderConfig } from "./files/gateway-config.ts";
import { renderManifest } from "./files/manifest.ts";
import { renderReadme } from "./files/readme.ts";
import { renderVariables } from "./files/variables.ts";
import type { ProjectFile } from "./folder.ts";
import type { PackageManager } from "./package-manager.ts";
import { toProjectName } from "./project-name.ts";

const TEMPLATE = fileURLToPath(new URL("../template/", import.meta.url));

/** What is around a project, beside the answers. */
export interface Surroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly manager: PackageManager;
  /** The key of the first client, made at random. */
  readonly gatewayKey: string;
}

/** Every file of the project that the answers describe. */
export function renderProject(
  answers: Answers,
  { environment, manager, gatewayKey }: Surroundings,
): ProjectFile[] {
  const name = toProjectName(answers.folder);
  return [
    { path: "package.json", text: renderManifest(name, answers) },
    { path: "gateway.config.ts", text: renderConfig(answers) },
    { path: "README.md", text: renderReadme(name, answers, manager, environment) },
    ...renderVariables(answers, gatewayKey, environment),
    ...readTemplate("base"),
    ...(answers.example ? readTemplate("example") : []),
  ];
}

/** Files that are the same in every project. npm publishes no `.gitignore`, so it has another name here. */
function readTemplate(part: "base" | "example"): ProjectFile[] {
  return readdirSync(`${TEMPLATE}${part}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => {
      const file = `${parentPath}/${name}`;
      const path = file.slice(`${TEMPLATE}${part}/`.length).replaceAll("\\", "/");
      return { path: path === "_gitignore" ? ".gitignore" : path, text: readFileSync(file, "utf8") };
    });
}
