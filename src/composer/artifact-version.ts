import { AppError, messageOf } from '../errors.ts'
import { branchAlias } from './branch-alias.ts'
import { type ReadableManifest, readFile } from './commit-reader.ts'
import { constraintProblem } from './manifest-rules.ts'
import { packageNameProblem } from './package-name.ts'
import { lowerAscii } from './php-text.ts'
import { calendarSeconds, rfc3339 } from './repository-versions.ts'
import { normalizeVersion, parseStability, type Stability } from './version-parser.ts'

/** The version that an uploaded archive means. */
export interface ArtifactVersion {
  /** Lower-case; the identity of the package. */
  readonly packageName: string
  /** As its author writes it. */
  readonly prettyName: string
  readonly version: string
  readonly versionNormalized: string
  readonly stability: Stability
  /** Normalised version that a development version also counts as, or null. */
  readonly alias: string | null
  /** RFC 3339, UTC. */
  readonly time: string
  /** The same in Unix seconds. */
  readonly releasedAt: number
  readonly summary: ReadableManifest['summary']
}

/** Blanks and control characters; `#` and `@` begin what Composer takes off a version again. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const UNUSABLE = /[\u0000-\u0020\u007f-\u00a0#@]/

/**
 * Reads the composer.json of an upload. `wanted` is the version that the uploader names, which wins over the one in the
 * file (`Composer: ArtifactRepository` reads the file only); both must mean the same. `uploadedAt` in Unix seconds
 * dates a version whose composer.json has no `time`.
 * Throws AppError('invalid') with what is wrong: what would make clients abort is refused before it is published.
 */
export function artifactVersion(content: Uint8Array, wanted: string | null, uploadedAt: number): ArtifactVersion {
  const reading = readFile(content)
  if ('problem' in reading) throw new AppError('invalid', reading.problem)
  const { file } = reading
  const name = nameOf(file)
  const { version, versionNormalized } = versionOf(file, wanted)
  if (file.clientProblem !== null) throw new AppError('invalid', `composer.json: ${file.clientProblem}.`)
  if (file.linksToOwnVersion) refuse('self.version', constraintProblem(version))
  const releasedAt = calendarSeconds(file.time ?? uploadedAt)
  return {
    packageName: lowerAscii(name),
    prettyName: name,
    version,
    versionNormalized,
    stability: parseStability(versionNormalized),
    alias: aliasOf(version, file),
    time: rfc3339(releasedAt),
    releasedAt,
    summary: file.summary,
  }
}

function nameOf({ manifest }: ReadableManifest): string {
  const { name } = manifest
  if (name === undefined) throw new AppError('invalid', 'composer.json has no name.')
  if (typeof name !== 'string') throw new AppError('invalid', 'composer.json: its name is no string.')
  refuse('composer.json', packageNameProblem(name))
  return name
}

function versionOf(
  { manifest }: ReadableManifest,
  wanted: string | null,
): { version: string; versionNormalized: string } {
  const written = manifest.version
  if (wanted === null && written === undefined) {
    throw new AppError('invalid', 'The version is missing: composer.json has none, so name it with ?version=.')
  }
  if (written === null) throw new AppError('invalid', 'The version in composer.json is no version.')
  const version = wanted ?? written ?? ''
  const versionNormalized = normalized(version, wanted === null ? 'The version in composer.json' : 'The version')
  if (wanted !== null && written !== undefined) {
    const inFile = normalized(written, 'The version in composer.json')
    if (inFile !== versionNormalized) {
      throw new AppError(
        'invalid',
        `The version ${shown(wanted)} does not match the one in composer.json, which is ${shown(written)}.`,
      )
    }
  }
  return { version, versionNormalized }
}

/** The pretty form becomes part of addresses and lock files, so that it has to mean itself there. */
function normalized(version: string, subject: string): string {
  const form = UNUSABLE.test(version) ? null : normalizeVersion(version)
  const pathless = version.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  if (form === null || !pathless || constraintProblem(form) !== null || !version.isWellFormed()) {
    throw new AppError('invalid', `${subject} is no version: ${shown(version)}.`, {
      details: { fields: { version: 'a version such as 1.2.3, 2.0.0-beta1 or dev-main' } },
    })
  }
  return form
}

function aliasOf(version: string, file: ReadableManifest): string | null {
  try {
    return branchAlias({ version, defaultBranch: false, extra: file.extra })
  } catch (error) {
    throw new AppError('invalid', `composer.json: ${messageOf(error)}.`, { cause: error })
  }
}

function refuse(subject: string, problem: string | null): void {
  if (problem !== null) throw new AppError('invalid', `${subject}: ${problem}.`)
}

function shown(text: string): string {
  const printable = text.replace(/\p{C}/gu, '\ufffd')
  return `"${printable.length > 100 ? `${printable.slice(0, 100)}…` : printable}"`
}
