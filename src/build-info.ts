import journal from '../drizzle/meta/_journal.json' with { type: 'json' }
import packageJson from '../package.json' with { type: 'json' }

/** What the build says of itself, set by `build.ts`; neither is there when Bun runs the sources. */
declare const PACKAGE_BROKER_BUILD: BuildFacts | undefined
declare const PACKAGE_BROKER_SBOM: string | undefined

/** Where an executable comes from. */
export interface BuildFacts {
  /** Id of the commit, with `-dirty` behind it when there were other changes; null outside of a git repository. */
  readonly commit: string | null
  readonly target: string
  /** SHA-256 of bun.lock. */
  readonly lock: string
}

/** Which program this is; the facts of a build are null when Bun runs the sources. */
export function versionInfo() {
  const facts = typeof PACKAGE_BROKER_BUILD === 'undefined' ? null : PACKAGE_BROKER_BUILD
  return {
    version: packageJson.version,
    commit: facts?.commit ?? null,
    target: facts?.target ?? null,
    bun: Bun.version,
    lock: facts?.lock ?? null,
    /** Number of the newest migration. */
    schema: journal.entries.at(-1)?.idx ?? 0,
  }
}

/** The bill of materials of this executable; null when Bun runs the sources. */
export function billOfMaterials(): string | null {
  return typeof PACKAGE_BROKER_SBOM === 'undefined' ? null : PACKAGE_BROKER_SBOM
}
