/** How a package manager is called, for what is printed. */
export interface PackageManager {
  readonly install: string;
  /** Runs a script of the project. */
  run(script: string): string;
}

const NPM: PackageManager = { install: "npm install", run: (script) => `npm run ${script}` };

const PACKAGE_MANAGERS: Readonly<Record<string, PackageManager>> = {
  npm: NPM,
  pnpm: { install: "pnpm install", run: (script) => `pnpm run ${script}` },
  yarn: { install: "yarn install", run: (script) => `yarn run ${script}` },
  bun: { install: "bun install", run: (script) => `bun run ${script}` },
};

/** The one that runs this program, by the user agent that each of them sets (`pnpm/9.1.0 npm/? node/…`). */
export function detectPackageManager(environment: NodeJS.ProcessEnv): PackageManager {
  const [name] = (environment["npm_config_user_agent"] ?? "").split("/");
  return PACKAGE_MANAGERS[name!] ?? NPM;
}
