import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { GeneratedFile } from "./generate.ts";
import { readFigures } from "./readme-figures.ts";
import { listPublished, ROOT } from "./workspace.ts";

const README = join(ROOT, "README.md");

/** The parts of the README that stand between markers; the rest of it stays. */
export function generateReadme(): GeneratedFile[] {
  let text = readFileSync(README, "utf8");
  text = replaceBetween(text, "plugins", renderPlugins());
  text = replaceBetween(text, "figures", readFigures());
  return [{ file: README, text }];
}

function renderPlugins(): string {
  const rows = listPublished()
    .filter(({ folder }) => folder.startsWith("plugins/"))
    .map(
      ({ folder, manifest }) =>
        `| [${folder.replace("plugins/", "")}](${folder}/README.md) | ${manifest.description} |`,
    );
  return ["| plugin | what it does |", "| --- | --- |", ...rows].join("\n");
}

/** Between `<!-- name: … -->` and `<!-- end of name -->`. */
function replaceBetween(text: string, name: string, part: string): string {
  const between = new RegExp(`(<!-- ${name}: .*? -->).*?(<!-- end of ${name} -->)`, "s");
  if (!between.test(text)) throw new Error(`README.md has no markers for ${name}`);
  return text.replace(between, (_, start: string, end: string) => `${start}\n\n${part}\n\n${end}`);
}
